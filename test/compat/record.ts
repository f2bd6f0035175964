/**
 * Records what an upstream daemon answers. It must be empty, and run without VMs, so that nothing moves:
 *
 *     flintlockd run --insecure --disable-reconcile --enable-http --bridge-name br0 [--basic-auth-token secret] …
 *     npx tsx test/compat/record.ts open|token|legacy GRPC_HOST:PORT,HTTP_HOST:PORT "flintlockd v0.11.0 (7112122)"
 *     npm run format
 *
 * or with the endpoints in FLINTLOCK_UPSTREAM.
 */
import { writeFile } from "node:fs/promises";
import { endpointsOf } from "./endpoints.ts";
import { type Recording, recordingPath, SUITES, suiteName } from "./suites.ts";
import { runCases } from "./wire/run-cases.ts";

const main = async ([suite, address = process.env["FLINTLOCK_UPSTREAM"], upstream]: readonly string[]) => {
  if (!address) {
    console.log("SKIPPED: no upstream daemon; give its endpoints, or set FLINTLOCK_UPSTREAM");
    return;
  }
  if (!upstream) throw new Error("say what answers, such as 'flintlockd v0.11.0 (7112122)'");
  const name = suiteName(suite);
  const observations = await runCases(SUITES[name], endpointsOf(address));
  const recording: Recording = { upstream, observations };
  await writeFile(recordingPath(name), `${JSON.stringify(recording, null, 2)}\n`);
  console.log(`${observations.length} answers in ${recordingPath(name)}`);
};

await main(process.argv.slice(2));
