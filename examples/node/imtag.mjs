import http from "node:http";

/** The service, or the daemon, did not answer. */
const NO_ANSWER = 60008;

/** This user may not use the daemon's socket; also HTTP's code for who may not call. */
const MAY_NOT = 403;

/** How much longer than its time a call is waited for. */
const MORE = 2;

/**
 * @typedef {{To_Account: string, ErrorCode: number, ErrorInfo: string, Effect: string, Remedy: string,
 *   Retryable: boolean}} Failed Retryable: the user may be done if it is tried again later
 */

/** Some users of a call failed, or all of them. */
export class ImtagError extends Error {
  /**
   * @param {Failed[]} failed
   * @param {Map<string, string[]>} read the tags of the users whose tags were read
   */
  constructor(failed, read = new Map()) {
    const [{ To_Account, ErrorInfo, Effect, Remedy }] = failed;
    const others = failed.length > 1 ? `, and ${failed.length - 1} more` : "";
    super(`${To_Account}: ${ErrorInfo} (${Effect}; ${Remedy})${others}`);
    this.name = "ImtagError";
    this.failed = failed;
    this.read = read;
  }

  /**
   * The accounts of those who may be done if they are tried again later. That is safe, as the tags of a user are a set;
   * but a change that another one has followed meanwhile would undo that one.
   */
  get passing() {
    return this.failed.filter((user) => user.Retryable).map((user) => user.To_Account);
  }
}

/**
 * The user tags of Tencent Chat, by the daemon `imtag serve` on this host.
 *
 * The daemon has packed, paced and repeated what a call asks for before it answers, which it does within 8 seconds. So
 * a failure is final for this call: each method rejects with an ImtagError if any user failed. The other users are done.
 */
export class Imtag {
  #socket;
  #seconds;

  /**
   * @param {string} [socket] the daemon's own default if it is not given
   * @param {{seconds?: number}} [options] seconds: for each call, 8 at most; a web request should have fewer
   */
  constructor(socket, { seconds = 8 } = {}) {
    this.#socket = socket ?? `${process.env.XDG_RUNTIME_DIR || "/run/imtag"}/imtag.sock`;
    this.#seconds = seconds;
  }

  /** @param {Map<string, string[]>} tags what to add, by account: at most 100 accounts, 10 tags each */
  async add(tags) {
    await this.#call("im_add_tag", { UserTags: userTags(tags) }, [...tags.keys()]);
  }

  /** @param {Map<string, string[]>} tags what to remove, by account */
  async remove(tags) {
    await this.#call("im_remove_tag", { UserTags: userTags(tags) }, [...tags.keys()]);
  }

  /** @param {string[]} accounts whose tags are all removed */
  async clear(accounts) {
    await this.#call("im_remove_all_tags", { To_Account: accounts }, accounts);
  }

  /**
   * @param {string[]} accounts
   * @returns {Promise<Map<string, string[]>>} the tags by account
   */
  async get(accounts) {
    return this.#call("im_get_tag", { To_Account: accounts }, accounts);
  }

  async #call(name, request, accounts) {
    if (accounts.length === 0) {
      return new Map();
    }
    const answer = await this.#exchange(`/v4/all_member_push/${name}`, JSON.stringify(request));
    const read = new Map((answer.UserTags ?? []).map((user) => [user.To_Account, user.Tags]));
    if (answer.ErrorList?.length) { // whatever ErrorCode is: the users that it does not name are done
      throw new ImtagError(answer.ErrorList, read);
    }
    if (answer.ErrorCode !== 0) {
      throw new ImtagError(accounts.map((account) => ({ To_Account: account, ...answer })));
    }
    return read;
  }

  #exchange(path, body) {
    const failed = (ErrorCode, ErrorInfo, Effect, Remedy) =>
      ({ ErrorCode, ErrorInfo, Effect, Remedy, Retryable: ErrorCode === NO_ANSWER });
    return new Promise((resolve) => {
      const signal = AbortSignal.timeout((this.#seconds + MORE) * 1_000);
      // a connection of its own, as one that was kept may be closed just when it is used again
      const options = { socketPath: this.#socket, agent: false, path, method: "POST", signal };
      const request = http.request(options, async (response) => {
        let text = "";
        try {
          for await (const part of response.setEncoding("utf8")) {
            text += part;
          }
          resolve(JSON.parse(text));
        } catch (error) {
          const isText = error instanceof SyntaxError; // HTTP 400 or 403, whose text says why
          resolve(isText
            ? failed(response.statusCode, text.trim(), "not applied", "see the text")
            : failed(NO_ANSWER, "the daemon did not answer", "possibly applied", "try again"));
        }
      });
      request.on("error", (error) => {
        if (error.syscall !== "connect") {
          resolve(failed(NO_ANSWER, "the daemon did not answer", "possibly applied", "try again"));
        } else if (error.code === "EACCES") {
          resolve(failed(MAY_NOT, `this user may not use the socket ${this.#socket}: ${error.code}`, "not applied",
            "put it into the group of the socket (imtag serve --group), and start this program anew"));
        } else {
          resolve(failed(NO_ANSWER, `no daemon at ${this.#socket}: ${error.code}`, "not applied",
            "see that it runs, and at this path"));
        }
      });
      request.setHeader("Content-Type", "application/json").setHeader("Imtag-Timeout", this.#seconds).end(body);
    });
  }
}

function userTags(tags) {
  return [...tags].map(([account, of]) => ({ To_Account: account, Tags: of }));
}
