/**
 * Sends the same requests to two daemons, both empty, and prints every difference of their answers.
 *
 *     npx tsx test/compat/compare.ts open UPSTREAM_GRPC,UPSTREAM_HTTP OUR_GRPC,OUR_HTTP
 *
 * or with the endpoints in FLINTLOCK_UPSTREAM and FLINTLOCK_OURS.
 */
import { endpointsOf } from "./endpoints.ts";
import { SUITES, suiteName } from "./suites.ts";
import { diffAnswers } from "./wire/diff.ts";
import { runCases } from "./wire/run-cases.ts";

const main = async (args: readonly string[]): Promise<void> => {
  const cases = SUITES[suiteName(args[0] ?? "open")];
  const upstream = args[1] ?? process.env["FLINTLOCK_UPSTREAM"];
  const ours = args[2] ?? process.env["FLINTLOCK_OURS"];
  if (!upstream || !ours) {
    console.log("SKIPPED: no endpoints; give them, or set FLINTLOCK_UPSTREAM and FLINTLOCK_OURS");
    return;
  }
  const theirAnswers = await runCases(cases, endpointsOf(upstream));
  const ourAnswers = await runCases(cases, endpointsOf(ours));
  let same = 0;
  for (const [at, { request, answer }] of theirAnswers.entries()) {
    const differences = diffAnswers(answer, ourAnswers[at]?.answer ?? {});
    if (differences.length === 0) same += 1;
    for (const { path, upstream: theirs, ours: own } of differences)
      console.log([request.name, path, text(theirs), text(own)].join("\t"));
  }
  console.log(`${same} of ${cases.length} answers are the same`);
};

const text = (value: unknown): string => (value === undefined ? "(absent)" : JSON.stringify(value));

await main(process.argv.slice(2));
