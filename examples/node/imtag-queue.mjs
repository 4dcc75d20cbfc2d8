import http from "node:http";

/** Nothing was stored; or that is not known, where the daemon did not answer. */
export class ImtagQueueError extends Error {
  /** @param {number | undefined} retryAfter seconds after which it is worth trying again with the same key, if that helps */
  constructor(message, retryAfter) {
    super(message);
    this.name = "ImtagQueueError";
    this.retryAfter = retryAfter;
  }
}

/**
 * Changes of user tags that last, by the daemon `imtag serve` on this host: once `post` has resolved, they are applied
 * whatever happens to this program, to the daemon or to the service.
 */
export class ImtagQueue {
  #socket;

  constructor(socket = "/run/imtag/imtag.sock") {
    this.#socket = socket;
  }

  /**
   * Stores changes: at most 10,000, of which all are stored or none. To post again with the same key is safe.
   * @param {{To_Account: string, Tags?: string[], op?: string}[]} rows
   * @param {string} key what this post is known by: an order's number, say
   * @returns {Promise<string>} the post's id
   */
  async post(rows, key) {
    const answer = await this.#exchange("POST", "/v1/changes", rows, { "Idempotency-Key": key });
    return JSON.parse(answer).post;
  }

  /** @returns {Promise<{queued: number, sending: number, done: number, failed: number}>} how many of a post's changes are what */
  async states(post) {
    return JSON.parse(await this.#exchange("GET", `/v1/changes/${post}`));
  }

  /**
   * Changes that the service refused, until they are deleted: at most 10,000.
   * @returns {Promise<{id: string, account: string, op: string, tags: string[], code: ?number, reason: string,
   *   remedy: string, effect: string}[]>}
   */
  async failures() {
    const lines = (await this.#exchange("GET", "/v1/failures")).split("\n");
    return lines.filter(Boolean).map((line) => JSON.parse(line));
  }

  /** @param {string[]} ids of failures that are taken care of */
  async deleteFailures(ids) {
    if (ids.length > 0) {
      await this.#exchange("DELETE", "/v1/failures", ids);
    }
  }

  #exchange(method, path, json, headers = {}) {
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(10_000);
      // a connection of its own, as one that was kept may be closed just when it is used again
      const options = { socketPath: this.#socket, agent: false, method, path, headers, signal };
      const noAnswer = () => reject(new ImtagQueueError("the daemon did not answer: try again with the same key", 1));
      const request = http.request(options, async (response) => {
        let text = "";
        try {
          for await (const part of response.setEncoding("utf8")) {
            text += part;
          }
        } catch {
          return noAnswer();
        }
        if (response.statusCode < 300) {
          return resolve(text);
        }
        const after = response.headers["retry-after"];
        reject(new ImtagQueueError(problem(text), after === undefined ? undefined : Number(after)));
      });
      request.on("error", (error) => {
        if (error.syscall !== "connect") {
          return noAnswer();
        }
        reject(new ImtagQueueError(`no daemon at ${this.#socket}: ${error.code}: see that it runs`, 1));
      });
      request.setHeader("Content-Type", "application/json");
      const body = json === undefined ? "" : JSON.stringify(json);
      request.setHeader("Content-Length", Buffer.byteLength(body)).end(body);
    });
  }
}

/** One sentence, and each row that cannot be taken. */
function problem(text) {
  let json;
  try {
    json = JSON.parse(text);
  } catch { // HTTP 400 or 403, whose text says why
    return text.trim();
  }
  return [json.error, ...(json.errors ?? []).map((row) => `  row ${row.row}: ${row.error}`)].join("\n");
}
