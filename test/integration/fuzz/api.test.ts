import { expect, test } from "vitest";
import { fuzzApi } from "../../fuzz/fuzz-api.ts";
import { TestDaemon } from "../../support/daemon.ts";

const SEED = Number(process.env["FLINTLOCK_FUZZ_SEED"] ?? 20_261_124);
const REQUESTS = Number(process.env["FLINTLOCK_FUZZ_REQUESTS"] ?? 100_000);
const MINUTE = 60_000;
/** What a collector may leave lying between two looks. */
const SLACK_MIB = 48;

test(
  `${REQUESTS} requests of every method, generated and damaged, over gRPC and HTTP (seed ${SEED})`,
  async () => {
    await using daemon = await TestDaemon.start(["--default-provider", "simulated", "--log-level", "warn"]);
    const report = await fuzzApi({
      socketPath: daemon.socket,
      pid: daemon.pid,
      seed: SEED,
      requests: REQUESTS,
    });
    console.log(JSON.stringify({ answers: report.answers, rssMib: report.rssMib }));
    expect(report.dishonest).toEqual([]);
    // Or the generator would reach nothing
    expect(report.answers["grpc 0"]).toBeGreaterThan(REQUESTS / 50);
    expect(report.answers["http 200"]).toBeGreaterThan(REQUESTS / 50);
    expect(report.answers["grpc 3"]).toBeGreaterThan(REQUESTS / 50);
    expect(report.answers["http 400"]).toBeGreaterThan(REQUESTS / 50);
    const [, , early = 0] = report.rssMib;
    expect(report.rssMib.at(-1)).toBeLessThan(early + SLACK_MIB);
    expect(daemon.log).not.toContain("internal error");
  },
  20 * MINUTE,
);
