/** What Prometheus and an OpenTelemetry collector get from the real daemon, of simulated and of real guests. */
import { readdir, readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { wire } from "@flintlock/api";
import { createClient } from "@flintlock/client";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import {
  lint,
  type ParsedSample,
  parseExposition,
} from "../../packages/daemon/src/adapters/telemetry/testing/parse-exposition.ts";
import { ROOT, TestDaemon } from "../support/daemon.ts";
import { type CollectedSpan, startCollector } from "../support/otlp-collector.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const traceparent = `00-${TRACE}-${CALLER}-01`;

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const http = (
  { socket }: TestDaemon,
  path: string,
  { method = "GET", headers = {}, body = "" } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: socket, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers["content-type"] ?? "",
          text,
        }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });

const samplesOf = (text: string, name: string): readonly ParsedSample[] =>
  parseExposition(text).find((family) => family.name === name)?.samples ?? [];

const spec = (id: string) => ({
  id,
  namespace: "traced",
  vcpu: 1,
  memoryInMb: 1024,
  kernel: { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" },
  rootVolume: { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } },
});

const createOverGrpc = (socket: string, id: string): Promise<void> => {
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("traceparent", traceparent);
  const request = create(wire.CreateMicroVMRequestSchema, { microvm: spec(id) });
  const bytes = Buffer.from(toBinary(wire.CreateMicroVMRequestSchema, request));
  return new Promise<void>((resolve, reject) => {
    client.makeUnaryRequest(
      "/microvm.services.api.v1alpha1.MicroVM/CreateMicroVM",
      (buffer: Buffer) => buffer,
      (buffer: Buffer) => buffer,
      bytes,
      metadata,
      (error) => (error === null ? resolve() : reject(error)),
    );
  }).finally(() => client.close());
};

/** The spans of one microVM's create, once its guest is ready. */
const creation =
  (id: string) =>
  (spans: readonly CollectedSpan[]): readonly CollectedSpan[] | undefined => {
    const work = spans.filter(({ attributes }) => attributes["flintlock.name"] === id);
    return work.some(({ name }) => name === "ready") ? work : undefined;
  };

const names = (spans: readonly CollectedSpan[]): readonly string[] => spans.map(({ name }) => name).sort();

test("a create over gRPC and one over HTTP are each one trace of the caller's, up to the guest's readiness", async () => {
  await using collector = await startCollector();
  await using daemon = await TestDaemon.start([
    ...["--default-provider", "simulated", "--otlp-endpoint", collector.endpoint],
  ]);
  await createOverGrpc(daemon.socket, "by-grpc");
  const { status } = await http(daemon, "/v1alpha1/microvm", {
    method: "POST",
    headers: { traceparent, "Content-Type": "application/json" },
    body: JSON.stringify(spec("by-http")),
  });
  expect(status).toBe(200);
  for (const [id, transport] of [
    ["by-grpc", "grpc"],
    ["by-http", "http"],
  ] as const) {
    const work = await collector.until(creation(id), `the trace of ${id}`);
    expect(names(work)).toEqual(["bootMachine", "prepareVolume", "pullImage", "pullImage", "ready", "store"]);
    const request = await collector.until(
      (spans) => spans.find(({ attributes }) => attributes["flintlock.transport"] === transport),
      `the request over ${transport}`,
    );
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: CALLER, kind: 2 });
    for (const span of work) expect(span).toMatchObject({ traceId: TRACE, parentSpanId: request.spanId });
  }
});

test("without an endpoint no tracing library is loaded", async () => {
  const dist = join(ROOT, "packages/daemon/dist");
  const loaded = new Set<string>();
  const load = async (name: string): Promise<void> => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const text = await readFile(join(dist, name), "utf8");
    for (const [, other = ""] of text.matchAll(/^(?:import|export)\b[^;]*?["']\.\/([^"']+\.js)["'];/gm)) {
      await load(other);
    }
  };
  await load("main.js");
  const isTracer = async (name: string) =>
    (await readFile(join(dist, name), "utf8")).includes("OTLPTraceExporter");
  const chunks = (await readdir(dist)).filter((name) => name.endsWith(".js"));
  const tracers: string[] = [];
  for (const name of chunks) if (await isTracer(name)) tracers.push(name);
  expect(tracers).toHaveLength(1);
  expect([...loaded].filter((name) => tracers.includes(name))).toEqual([]);
  expect(loaded.size).toBeGreaterThan(1);
});

test("scrapes keep answering, and quickly, while 64 clients create microVMs", async () => {
  await using daemon = await TestDaemon.start(["--default-provider", "simulated"]);
  const client = createClient({ address: `unix://${daemon.socket}` });
  let isOver = false;
  const creators = Array.from({ length: 64 }, async (_, index) => {
    for (let i = 0; i < 10; i++) {
      await client.v1alpha1.createMicroVM({ microvm: spec(`vm-${index}-${i}`) });
    }
  });
  const scrapes: number[] = [];
  const scraper = async (path: string): Promise<void> => {
    while (!isOver) {
      const started = performance.now();
      const { status, text } = await http(daemon, path);
      scrapes.push(performance.now() - started);
      expect(status).toBe(200);
      parseExposition(text);
    }
  };
  const scrapers = ["/metrics", "/machine"].map(scraper);
  await Promise.all(creators);
  isOver = true;
  await Promise.all(scrapers);
  client.close();
  expect(scrapes.length).toBeGreaterThan(2);
  expect(Math.max(...scrapes)).toBeLessThan(10_000);
  const { text } = await http(daemon, "/metrics");
  const handled = samplesOf(text, "grpc_server_handled_total").find(
    ({ labels }) => labels["grpc_method"] === "CreateMicroVM" && labels["grpc_code"] === "OK",
  );
  expect(handled?.value).toBe(64 * 10);
});

test("a real guest's numbers are told on all routes, and its trace goes on in the daemon that takes over", async () => {
  await using collector = await startCollector();
  await using daemon = await TestDaemon.start(["--otlp-endpoint", collector.endpoint]);
  await createOverGrpc(daemon.socket, "real");
  // A crash while the guest boots: what the first daemon has told by then is lost or not, but nothing else.
  await collector.until((spans) => spans.find(({ name }) => name === "prepareVolume"), "the first steps");
  await daemon.kill("SIGKILL");
  await daemon.start();
  const work = await collector.until(creation("real"), "the trace of a real guest");
  expect(work.every(({ traceId }) => traceId === TRACE)).toBe(true);
  expect(new Set(work.map(({ parentSpanId }) => parentSpanId)).size).toBe(1);
  expect(names(work)).toContain("prepareVolume");
  expect(work.some(({ name }) => name === "awaitGuest" || name === "bootMachine")).toBe(true);
  const ready = work.find(({ name }) => name === "ready");
  const waited = (ready?.endMs ?? 0) - (ready?.startMs ?? 0);
  expect(waited).toBeGreaterThan(500);

  const uid = String(ready?.attributes["flintlock.uid"]);
  const labels = { namespace: "traced", name: "real", uid };
  const machine = await http(daemon, `/machine/uid/${uid}`);
  expect(machine).toMatchObject({ status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8" });
  for (const path of ["/machine", "/machine/traced", "/machine/traced/real"]) {
    const { status, text } = await http(daemon, path);
    expect([status, samplesOf(text, "block_root_read_bytes").length]).toEqual([200, 1]);
  }
  const [read] = samplesOf(machine.text, "block_root_read_bytes");
  expect(read?.labels).toEqual(labels);
  expect(read?.value).toBeGreaterThan(0);
  for (const name of ["vcpu_0_cpu_milliseconds", "memory_base_bytes", "vmm_process_resident_bytes"]) {
    expect(samplesOf(machine.text, name)[0]?.value, name).toBeGreaterThan(0);
  }
  expect((await http(daemon, "/machine/uid/01ARZ3NDEKTSV4RRFFQ69G5FAV")).status).toBe(404);

  const { text } = await http(daemon, "/metrics");
  expect(parseExposition(text).flatMap(lint)).toEqual([]);
  expect(samplesOf(text, "flintlock_microvms")).toMatchObject([
    { labels: { namespace: "traced", state: "created" }, value: 1 },
  ]);
  for (const name of [
    "flintlock_vmm_cpu_seconds_total",
    "flintlock_vmm_resident_memory_bytes",
    "flintlock_vmm_threads",
    "flintlock_vmm_open_fds",
    "flintlock_vmm_disk_bytes",
  ]) {
    expect(samplesOf(text, name)[0]?.labels, name).toEqual(labels);
    expect(samplesOf(text, name)[0]?.value, name).toBeGreaterThan(0);
  }

  // A VMM that does not answer is told of as such, in its own time, and so is what its process takes.
  const pid = Number(
    JSON.parse(await readFile(join(daemon.stateDir, `vm/traced/real/${uid}/vmm.json`), "utf8")).pid,
  );
  process.kill(pid, "SIGSTOP");
  try {
    const started = performance.now();
    const { text: stopped } = await http(daemon, "/machine");
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(samplesOf(stopped, "flintlock_machine_scrape_error")[0]?.value).toBe(1);
    const { text: host } = await http(daemon, "/metrics");
    expect(samplesOf(host, "flintlock_vmm_resident_memory_bytes")[0]?.value).toBeGreaterThan(0);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await sleep(100);
  const { text: again } = await http(daemon, "/machine");
  expect(samplesOf(again, "flintlock_machine_scrape_error")[0]?.value).toBe(0);
});
