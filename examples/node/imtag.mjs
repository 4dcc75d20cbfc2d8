import { ImtagSocket, isText, NoAnswer, parsed } from "./imtag-socket.mjs";

/** The service, or the daemon, did not answer. */
const NO_ANSWER = 60008;

/** This user may not use the daemon's socket; also HTTP's code for who may not call. */
const MAY_NOT = 403;

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

  /**
   * @param {string} [socket] the daemon's own default if it is not given
   * @param {{seconds?: number}} [options] seconds: for each call, 8 at most; a web request should have fewer
   */
  constructor(socket, { seconds = 8 } = {}) {
    this.#socket = new ImtagSocket(socket, seconds);
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
    refuseHalves(request.UserTags ?? accounts, accounts);
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

  /** The answer, or one like the daemon's where there is none. */
  async #exchange(path, body) {
    const failed = (ErrorCode, ErrorInfo, Effect, Remedy) =>
      ({ ErrorCode, ErrorInfo, Effect, Remedy, Retryable: ErrorCode === NO_ANSWER });
    try {
      const { status, text } = await this.#socket.ask("POST", path, body);
      const answer = parsed(text); // HTTP 400 or 403 may have a text, which says why
      return answer?.ErrorCode === undefined ? failed(status, text.trim(), "not applied", "see the text") : answer;
    } catch (error) {
      if (!(error instanceof NoAnswer)) {
        throw error;
      }
      return failed(error.isRetryable ? NO_ANSWER : MAY_NOT, error.message, error.effect, error.remedy);
    }
  }
}

/** Some users have half of a character, as a text has that was cut. The others may be called for again. */
function refuseHalves(users, accounts) {
  const why = "no text: half of a character";
  const failed = users.map((user, index) => ({
    To_Account: accounts[index],
    ErrorCode: 60003,
    Effect: "not applied",
    ...(isText(user)
      ? { ErrorInfo: `not sent, as another user of the call has ${why}`, Remedy: "call again without it", Retryable: true }
      : { ErrorInfo: why, Remedy: "cut no character in two", Retryable: false }),
  }));
  failed.sort((one, other) => one.Retryable - other.Retryable); // those at fault first
  if (!failed[0].Retryable) {
    throw new ImtagError(failed);
  }
}

function userTags(tags) {
  return [...tags].map(([account, of]) => ({ To_Account: account, Tags: of }));
}
