// Gives the classes of examples/node what may come from outside, at a socket and at one that keeps what it is asked.

import { setTimeout as sleep } from "node:timers/promises";

const examples = `${process.env.LIBIMTAG}/examples/node`;
const { Imtag, ImtagError } = await import(`${examples}/imtag.mjs`);
const { ImtagQueue, ImtagQueueError } = await import(`${examples}/imtag-queue.mjs`);

const imtag = new Imtag(process.argv[2]);
const queue = new ImtagQueue(process.argv[2]);
const half = "😀".slice(0, 1);
async function say(what, call) {
  try {
    await call();
    console.log(`${what}: done`);
  } catch (error) {
    if (error instanceof ImtagError) {
      console.log(`${what}: ${error.message.replace(half, "?")}; passing: ${error.passing.join(" ")}`);
    } else if (error instanceof ImtagQueueError) {
      console.log(`${what}: ${error.message}${error.retryAfter === undefined ? "" : ", try again"}`);
    } else {
      throw error;
    }
  }
}

const victims = '[{"To_Account":"victim","Tags":["owned"]}]';
const request = `x\r\nContent-Type: application/json\r\nContent-Length: ${victims.length}\r\n\r\n${victims}`;
const mine = [{ To_Account: "mine", Tags: ["vip"] }];
await say("key of a request", () => queue.post(mine, request));
await say("key of an end", () => queue.post(mine, "x\n"));
await say("key of a blank", () => queue.post(mine, "x y"));
await say("key of a letter", () => queue.post(mine, "ü"));
await say("key of none", () => queue.post(mine));
await say("key of 256", () => queue.post(mine, "x".repeat(256)));
await say("key of 255", () => queue.post(mine, "~".repeat(255)));
await say("key of signs", () => queue.post(mine, "!\"'@{}[]%25\\"));
await say("id of a request", () => queue.states("1 HTTP/1.1\r\nHost: x\r\n\r\n"));
await say("id of another path", () => queue.states("../failures?limit=1"));
await say("id of none", () => queue.states(""));

await say("rows", () => queue.post([...mine, { To_Account: "half", Tags: ["vip", half] }], "rows"));
await say("users", () => imtag.add(new Map([["mine", ["vip"]], ["half", ["vip", half]]])));
await say("accounts", () => imtag.get(["mine", `${half}half`]));

const post = await queue.post([{ To_Account: "42", Tags: ["vip", "beijing"] }], "numbers");
let states;
do {
  await sleep(20);
  states = await queue.states(post);
} while (states.done === 0);
for (const [account, has] of await imtag.get(["victim", "42"])) {
  console.log(`${account}: ${has.join(" ")}`);
}
await say("brief", () => new ImtagQueue(process.argv[3], { seconds: 1.5 }).deleteFailures(["7-1"]));
