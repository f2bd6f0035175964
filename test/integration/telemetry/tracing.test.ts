import { type Log, type LogFields, silentLog } from "@flintlock/core";
import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test, vi } from "vitest";
import { fakeUseCases } from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { startTracing } from "../../../packages/daemon/src/adapters/telemetry/tracing/start-tracing.ts";
import type { TracedCall } from "../../../packages/daemon/src/adapters/telemetry/tracing/tracing.ts";
import { startCollector } from "../../support/otlp-collector.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const CREATE = "/microvm.services.api.v1alpha1.MicroVM/CreateMicroVM";

const call = (method: string, traceparent?: string): TracedCall => ({
  method,
  transport: "grpc",
  listener: "unix",
  metadata: new Map(traceparent === undefined ? [] : [["traceparent", traceparent]]),
});

const logged = (): { readonly log: Log; readonly warnings: LogFields[] } => {
  const warnings: LogFields[] = [];
  return {
    log: { ...silentLog, warn: (message, fields) => void warnings.push({ message, ...fields }) },
    warnings,
  };
};

test("a create is one trace, the caller's: request, record, each attempt of each step, the guest's readiness", async () => {
  await using collector = await startCollector();
  const { log } = logged();
  const tracing = await startTracing({ endpoint: collector.endpoint, version: "1.2.3", log });
  const world = new World();
  world.listen(tracing.telemetry);
  world.provider.script.startErrors.push(new Error("as scripted"));
  const { microvms } = await world.daemon();

  const info = call(CREATE, `00-${TRACE}-${CALLER}-01`);
  const end = tracing.intercept(info);
  const { uid } = await tracing.within(info, { ...fakeUseCases(), microvms }).microvms.create(wireInput());
  end?.({ code: 0 });
  await settle();
  world.clock.advance(20_000);
  await settle();
  await tracing.close();

  const [request] = collector.spans.filter(({ kind }) => kind === 2);
  expect(request).toMatchObject({
    name: "microvm.services.api.v1alpha1.MicroVM/CreateMicroVM",
    traceId: TRACE,
    parentSpanId: CALLER,
    service: "flintlockd",
    attributes: { "rpc.method": "CreateMicroVM", "rpc.grpc.status_code": 0, "flintlock.transport": "grpc" },
  });
  const work = collector.spans.filter(({ kind }) => kind === 1);
  expect(work.every((span) => span.traceId === TRACE && span.parentSpanId === request?.spanId)).toBe(true);
  expect(work.every(({ attributes }) => attributes["flintlock.uid"] === uid)).toBe(true);
  expect(
    work.map(({ name, isError, attributes }) => [
      name,
      attributes["flintlock.attempt"],
      attributes["flintlock.outcome"],
      isError,
    ]),
  ).toEqual([
    ["store", undefined, "ok", false],
    ["pullImage", 1, "ok", false],
    ["pullImage", 1, "ok", false],
    ["prepareVolume", 1, "ok", false],
    ["bootMachine", 1, "internal", true],
    ["bootMachine", 2, "ok", false],
    ["ready", undefined, "ok", false],
  ]);
  const ready = work.at(-1);
  expect(Math.round((ready?.endMs ?? 0) - (ready?.startMs ?? 0))).toBe(20_000);
});

test("a request without a trace starts one; one that is not to be sampled is not; pages and probes are not traced", async () => {
  await using collector = await startCollector();
  const tracing = await startTracing({ endpoint: collector.endpoint, version: "1", log: silentLog });
  tracing.intercept(call("/pkg.Svc/Get"))?.({ code: 13 });
  tracing.intercept(call("/pkg.Svc/Get", "nonsense"))?.({ code: 5 });
  tracing.intercept(call("/pkg.Svc/Unsampled", `00-${TRACE}-${CALLER}-00`))?.({ code: 0 });
  for (const path of ["/metrics", "/machine/{namespace}/{name}", "/grpc.health.v1.Health/Check"]) {
    expect(tracing.intercept(call(path))).toBeUndefined();
  }
  await tracing.close();
  expect(collector.spans.map(({ name, parentSpanId, isError }) => [name, parentSpanId, isError])).toEqual([
    ["pkg.Svc/Get", "", true],
    ["pkg.Svc/Get", "", false],
  ]);
  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(2);
});

test.each(["refuses", "hangs"] as const)(
  "a collector that %s hurts nobody, is told of, and the end waits two seconds at most",
  async (manner) => {
    await using collector = await startCollector(manner);
    const { log, warnings } = logged();
    const tracing = await startTracing({ endpoint: collector.endpoint, version: "1", log });
    const started = performance.now();
    for (let i = 0; i < 20_000; i++) tracing.intercept(call("/pkg.Svc/Get"))?.({ code: 0 });
    // Nothing is waited for, and what the queue cannot hold is dropped.
    expect(performance.now() - started).toBeLessThan(5_000);
    const closing = performance.now();
    await tracing.close();
    expect(performance.now() - closing).toBeLessThan(3_500);
    expect(collector.requests.count).toBeGreaterThan(0);
    if (manner === "refuses") expect(warnings).toHaveLength(1);
  },
);

test("a collector that is not there is no failure of the daemon", async () => {
  const gone = await startCollector();
  await gone[Symbol.asyncDispose]();
  const { log, warnings } = logged();
  const tracing = await startTracing({ endpoint: gone.endpoint, version: "1", log });
  tracing.intercept(call("/pkg.Svc/Get"))?.({ code: 0 });
  await tracing.close();
  expect(warnings.length).toBeLessThanOrEqual(1);
});

test("OpenTelemetry's own variable gives the collector its headers", async () => {
  await using collector = await startCollector();
  vi.stubEnv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc");
  const tracing = await startTracing({ endpoint: collector.endpoint, version: "1", log: silentLog });
  tracing.intercept(call("/pkg.Svc/Get"))?.({ code: 0 });
  await tracing.close();
  vi.unstubAllEnvs();
  expect(collector.requests.headers.authorization).toBe("Bearer abc");
});

test("an endpoint that is no URL is refused", async () => {
  for (const endpoint of ["", "localhost:4318", "ftp://a.test", "not a url"]) {
    await expect(startTracing({ endpoint, version: "1", log: silentLog })).rejects.toMatchObject({
      code: "invalid_spec",
    });
  }
});
