import http from "node:http";

/** How much longer than its time a request is waited for. */
const MORE = 2;

/** The daemon was not there, or did not answer. */
export class NoAnswer extends Error {
  constructor(why, effect, remedy, isRetryable) {
    super(why);
    this.effect = effect;
    this.remedy = remedy;
    this.isRetryable = isRetryable;
  }
}

/** The daemon's socket, and one request over a connection of its own: what Imtag and ImtagQueue share. */
export class ImtagSocket {
  #path;
  #seconds;

  /** @param {string} [path] the daemon's own default if it is not given */
  constructor(path, seconds) {
    this.#path = path ?? `${process.env.XDG_RUNTIME_DIR || "/run/imtag"}/imtag.sock`;
    this.#seconds = seconds;
  }

  /**
   * The path is written as it is: check first what comes from outside.
   * @returns {Promise<{status: number, headers: object, text: string}>} or a NoAnswer
   */
  ask(method, path, body, headers = {}) {
    return new Promise((resolve, reject) => {
      const noAnswer = () => reject(new NoAnswer("the daemon did not answer", "possibly applied", "try again", true));
      const signal = AbortSignal.timeout((this.#seconds + MORE) * 1_000);
      // a connection of its own, as one that was kept may be closed just when it is used again
      const options = { socketPath: this.#path, agent: false, method, path, headers, signal };
      const request = http.request(options, async (response) => {
        let text = "";
        try {
          for await (const part of response.setEncoding("utf8")) {
            text += part;
          }
        } catch {
          return noAnswer();
        }
        resolve({ status: response.statusCode, headers: response.headers, text });
      });
      request.on("error", ({ syscall, code }) => {
        if (syscall !== "connect") {
          noAnswer();
        } else if (code === "EACCES") {
          reject(new NoAnswer(`this user may not use the socket ${this.#path}: ${code}`, "not applied",
            "put it into the group of the socket (imtag serve --group), and start this program anew", false));
        } else {
          reject(new NoAnswer(`no daemon at ${this.#path}: ${code}`, "not applied",
            "see that it runs, and at this path", true));
        }
      });
      request.setHeader("Content-Type", "application/json").setHeader("Imtag-Timeout", this.#seconds);
      request.setHeader("Content-Length", Buffer.byteLength(body)).end(body);
    });
  }
}

/** False if a text in it has half of a character, as one has that was cut: JSON cannot say it. */
export function isText(value) {
  return typeof value === "string" ? !/\p{Surrogate}/u.test(value) : Object.values(value ?? {}).every(isText);
}

/** What a text is as JSON, or nothing where it is none. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
