// Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with Node 18 or later:
//
//     node tag.mjs imtag.sock
//
// To use it, copy imtag.mjs and imtag-socket.mjs.

import { setTimeout as sleep } from "node:timers/promises";
import { Imtag, ImtagError } from "./imtag.mjs";

const imtag = new Imtag(process.argv[2]);
let tags = new Map([["xiaojun012", ["vip", "beijing"]], ["xiaojun013", ["vip"]]]);
const accounts = [...tags.keys()];
let failed = 0;
for (let tries = 3; tags.size > 0 && tries > 0; tries--) {
  try {
    await imtag.add(tags);
    tags = new Map();
  } catch (error) {
    if (!(error instanceof ImtagError)) {
      throw error;
    }
    console.error(`not added: ${error.message}`);
    const passing = error.passing;
    failed += error.failed.length - passing.length;
    tags = new Map(passing.map((account) => [account, tags.get(account)]));
    await sleep(tags.size > 0 ? 1_000 : 0);
  }
}

let read;
try {
  read = await imtag.get(accounts);
} catch (error) {
  if (!(error instanceof ImtagError)) {
    throw error;
  }
  read = error.read;
  console.error(`not read: ${error.message}`);
}
for (const [account, has] of read) {
  console.log(`${account}: ${has.join(" ")}`);
}
process.exitCode = failed + tags.size === 0 ? 0 : 1;
