import { ImtagSocket, isText, NoAnswer, parsed } from "./imtag-socket.mjs";

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
 * whatever happens to this program, to the daemon or to the service. Each method rejects with an ImtagQueueError if it failed.
 */
export class ImtagQueue {
  #socket;

  /**
   * @param {string} [socket] the daemon's own default if it is not given
   * @param {{seconds?: number}} [options] seconds: for each request, 8 at most; a web request should have fewer
   */
  constructor(socket, { seconds = 8 } = {}) {
    this.#socket = new ImtagSocket(socket, seconds);
  }

  /**
   * Stores changes: at most 10,000, of which all are stored or none. To post again with the same key is safe.
   * @param {{To_Account: string, Tags?: string[], op?: string}[]} rows
   * @param {string} key what this post is known by, an order's number, say: 1 to 255 letters, digits and signs
   * @returns {Promise<string>} the post's id
   */
  async post(rows, key) {
    if (!/^[!-~]{1,255}$/.test(key ?? "")) { // what stands in a request's head could end it
      throw new ImtagQueueError("the key is not 1 to 255 letters, digits and signs of ASCII, without blanks");
    }
    const lines = rows.flatMap((row, index) =>
      isText(row) ? [] : [`\n  row ${index + 1}: no text: half of a character: cut no character in two`]);
    if (lines.length > 0) {
      const of = `${lines.length} of ${rows.length}`;
      throw new ImtagQueueError(`${of} rows cannot be taken, and so none was stored${lines.join("")}`);
    }
    const answer = await this.#exchange("POST", "/v1/changes", rows, { "Idempotency-Key": key });
    return JSON.parse(answer).post;
  }

  /** @returns {Promise<{queued: number, sending: number, done: number, failed: number}>} how many of a post's changes are what */
  async states(post) {
    if (!/^[0-9-]+$/.test(post)) {
      throw new ImtagQueueError("the id is none that post returns, such as 12");
    }
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

  async #exchange(method, path, json, headers) {
    try {
      const body = json === undefined ? "" : JSON.stringify(json);
      const answer = await this.#socket.ask(method, path, body, headers);
      if (answer.status < 300) {
        return answer.text;
      }
      const after = answer.headers["retry-after"];
      throw new ImtagQueueError(problem(answer.text), after === undefined ? undefined : Number(after));
    } catch (error) {
      if (!(error instanceof NoAnswer)) {
        throw error;
      }
      const key = headers && error.effect === "possibly applied" ? " with the same key" : "";
      throw new ImtagQueueError(`${error.message}: ${error.remedy}${key}`, error.isRetryable ? 1 : undefined);
    }
  }
}

/** One sentence, and each row that cannot be taken. */
function problem(text) {
  const json = parsed(text) ?? {}; // HTTP 400 or 403 may have a text, which says why
  const rows = (json.errors ?? []).map((row) => `\n  row ${row.row}: ${row.error}`);
  return (json.error ?? text.trim()) + rows.join("");
}
