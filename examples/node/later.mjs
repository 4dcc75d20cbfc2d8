// Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with Node 18 or later:
//
//     node later.mjs imtag.sock
//
// To use it, copy imtag-queue.mjs and imtag-socket.mjs. A web request ends once its changes are stored; what became of
// them is another program's, such as a cron job's: both are here, one after the other.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ImtagQueue, ImtagQueueError } from "./imtag-queue.mjs";

const queue = new ImtagQueue(process.argv[2]);

// the web request
const rows = [
  { To_Account: "xiaojun012", Tags: ["vip", "beijing"] },
  { To_Account: "xiaojun013", Tags: ["vip"] },
];
const key = `order-${randomUUID()}`; // what the order has by itself, such as its number
let post;
for (let tries = 3; post === undefined; tries--) {
  try {
    post = await queue.post(rows, key);
  } catch (error) {
    if (!(error instanceof ImtagQueueError)) {
      throw error;
    }
    console.error(`not stored: ${error.message}`);
    if (error.retryAfter === undefined || tries === 1) {
      process.exit(1);
    }
    await sleep(error.retryAfter * 1_000);
  }
}
console.log("stored");

// the cron job
try {
  let states;
  do {
    await sleep(100);
    states = await queue.states(post);
  } while (states.queued + states.sending > 0);
  const failures = await queue.failures();
  for (const { account, reason, effect, remedy } of failures) {
    console.log(`failed: ${account}: ${reason} (${effect}; ${remedy})`);
  }
  await queue.deleteFailures(failures.map((failure) => failure.id));
} catch (error) {
  if (!(error instanceof ImtagQueueError)) {
    throw error;
  }
  console.error(`not read: ${error.message}`);
  process.exitCode = 1;
}
