import { FlintlockError, type ImageLoader, silentLog, type Uid } from "@flintlock/core";
import { FakeImages, ManualClock } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";
import { lint, parseExposition } from "./testing/parse-exposition.ts";

const setUp = () => {
  const clock = new ManualClock();
  const metrics = createMetrics({ version: "1.2.3", clock, log: silentLog });
  const values = async (prefix: string): Promise<Readonly<Record<string, number>>> =>
    Object.fromEntries(
      parseExposition(await metrics.text())
        .flatMap(({ samples }) => samples)
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(" "), value]),
    );
  return { clock, metrics, values };
};

const CREATE = "/pkg.Svc/Create";
const WATCH = "/pkg.Svc/Watch";

test("every name, help and type is as Prometheus wants them", async () => {
  const { metrics } = setUp();
  const families = parseExposition(await metrics.text());
  expect(families.length).toBeGreaterThan(30);
  expect(families.flatMap(lint)).toEqual([]);
});

test("calls are counted by method, transport and code, and timed; those that run are seen", async () => {
  const { clock, metrics, values } = setUp();
  const end = metrics.calls.intercept({ method: CREATE, transport: "grpc" });
  const other = metrics.calls.intercept({ method: "/metrics", transport: "http" });
  clock.advance(30);
  end({ code: 0 });
  metrics.calls.intercept({ method: CREATE, transport: "grpc" })({ code: 3 });
  expect(await values("flintlock_api_requests")).toEqual({
    [`flintlock_api_requests_total ${CREATE} grpc OK`]: 1,
    [`flintlock_api_requests_total ${CREATE} grpc InvalidArgument`]: 1,
    "flintlock_api_requests_in_flight grpc": 0,
    "flintlock_api_requests_in_flight http": 1,
  });
  const seconds = await values("flintlock_api_request_duration_seconds");
  expect(seconds[`flintlock_api_request_duration_seconds_sum ${CREATE} grpc`]).toBeCloseTo(0.03);
  expect(seconds[`flintlock_api_request_duration_seconds_bucket 0.025 ${CREATE} grpc`]).toBe(1);
  other({ code: 16 });
  expect(
    (await values("flintlock_api_requests_total"))[
      "flintlock_api_requests_total /metrics http Unauthenticated"
    ],
  ).toBe(1);
});

test("go-grpc-prometheus's names count methods, which start at zero, and no pages", async () => {
  const { metrics, values } = setUp();
  metrics.calls.describe([
    { path: CREATE, kind: "unary" },
    { path: WATCH, kind: "server_streaming" },
  ]);
  metrics.calls.intercept({ method: "/metrics", transport: "http" })({ code: 0 });
  const end = metrics.calls.intercept({ method: CREATE, transport: "http" });
  metrics.calls.received(CREATE);
  metrics.calls.sent(CREATE);
  end({ code: 6 });
  expect(await values("grpc_server")).toEqual({
    "grpc_server_started_total unary pkg.Svc Create": 1,
    "grpc_server_started_total server_streaming pkg.Svc Watch": 0,
    "grpc_server_msg_received_total unary pkg.Svc Create": 1,
    "grpc_server_msg_received_total server_streaming pkg.Svc Watch": 0,
    "grpc_server_msg_sent_total unary pkg.Svc Create": 1,
    "grpc_server_msg_sent_total server_streaming pkg.Svc Watch": 0,
    "grpc_server_handled_total unary pkg.Svc Create OK": 0,
    "grpc_server_handled_total unary pkg.Svc Create AlreadyExists": 1,
    "grpc_server_handled_total server_streaming pkg.Svc Watch OK": 0,
  });
});

test("the core's work is counted by step and outcome, and names no microVM", async () => {
  const { clock, metrics, values } = setUp();
  const span = {
    uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV" as Uid,
    namespace: "secret-namespace",
    id: "secret-name",
    startedAt: clock.now(),
    ms: 250,
    parent: undefined,
  };
  const { telemetry } = metrics;
  const boot = { kind: "step", step: "bootMachine", attempt: 1, waitedMs: 500 } as const;
  telemetry.ended({ ...span, work: boot, ending: "provider_failed" });
  telemetry.ended({ ...span, work: { ...boot, attempt: 2 }, ending: "ok" });
  telemetry.ended({ ...span, work: { kind: "reconcile", result: "retry" }, ending: "ok" });
  telemetry.ended({ ...span, work: { kind: "ready" }, ending: "not_found" });
  telemetry.ended({ ...span, work: { kind: "store" }, ending: "ok" });
  const found = await values("flintlock_");
  expect(found).toMatchObject({
    "flintlock_reconcile_steps_total bootMachine ok": 1,
    "flintlock_reconcile_steps_total bootMachine provider_failed": 1,
    "flintlock_reconcile_step_duration_seconds_sum bootMachine": 0.5,
    "flintlock_reconcile_step_turn_wait_seconds_total bootMachine": 1,
    "flintlock_reconcile_total retry": 1,
    flintlock_reconcile_retries_total: 1,
    "flintlock_microvm_creates_total not_found": 1,
    flintlock_microvm_ready_seconds_count: 0,
    flintlock_store_create_duration_seconds_count: 1,
  });
  expect(await metrics.text()).not.toMatch(/secret|01ARZ3/);
});

test("what waits for its turn is asked of the reconciler at each scrape", async () => {
  const { metrics, values } = setUp();
  metrics.watch(() => ({
    running: 3,
    watched: 4,
    steps: new Map([["bootMachine", { running: 2, waiting: 1 }]]),
  }));
  expect(await values("flintlock_reconcile_queue")).toEqual({
    flintlock_reconcile_queue_running: 3,
    flintlock_reconcile_queue_watched: 4,
    "flintlock_reconcile_queue_steps bootMachine running": 2,
    "flintlock_reconcile_queue_steps bootMachine waiting": 1,
  });
});

test("images are counted once, pulls by outcome, and a store that cannot be read spoils no scrape", async () => {
  const { clock, metrics, values } = setUp();
  const fake = new FakeImages();
  const unused: ImageLoader = { load: async () => [], loadLayout: async () => [] };
  const images = metrics.images(Object.assign(fake, unused));
  const signal = new AbortController().signal;
  fake.missing.add("a.test/none:1");
  await images.pull("a.test/one:1" as never, { policy: "missing" }, signal);
  await expect(images.pull("a.test/none:1" as never, { policy: "missing" }, signal)).rejects.toThrow(
    "not found",
  );
  const counts = { flintlock_images: 1, flintlock_image_bytes: 1 };
  expect(await values("flintlock_image")).toMatchObject({
    ...counts,
    "flintlock_image_pulls_total ok": 1,
    "flintlock_image_pulls_total not_found": 1,
    flintlock_image_pull_duration_seconds_count: 2,
  });
  fake.list = () => Promise.reject(new FlintlockError("internal", "disk on fire"));
  clock.advance(10_000);
  expect(await values("flintlock_image")).toMatchObject(counts);
});
