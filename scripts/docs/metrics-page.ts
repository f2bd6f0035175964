/** docs/metrics.md: its tables are those that /metrics is made of. */
import { silentLog } from "../../packages/core/src/index.ts";
import { RUNNING, SCRAPE_ERROR } from "../../packages/daemon/src/adapters/telemetry/machine-families.ts";
import { createMetrics } from "../../packages/daemon/src/adapters/telemetry/metrics.ts";
import {
  MICROVMS,
  UNMEASURED,
  VMM_FAMILIES,
} from "../../packages/daemon/src/adapters/telemetry/microvm-families.ts";
import { systemClock } from "../../packages/daemon/src/adapters/time/system-clock.ts";
import { code, table } from "./markdown.ts";

interface Row {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export const metricsPage = async (): Promise<string> => {
  const metrics = createMetrics({ version: "", clock: systemClock, log: silentLog });
  const hostWide = await metrics.describe();
  // What these tell depends on the Node.js that runs.
  const ours = hostWide.filter(({ name }) => !/^(nodejs|process)_/.test(name));
  return `# Metrics and traces

The tables are made by \`npm run docs\` from the registries that the daemon serves.

## To scrape

Every listener that speaks HTTP serves \`/metrics\` and \`/machine\`, in Prometheus's text format 0.0.4, to every caller that it lets
in, whatever the role. A caller with some namespaces finds the numbers of the host and of the microVMs in those.

\`\`\`yaml
scrape_configs:
  - job_name: flintlock
    static_configs: [{ targets: ["localhost:8090"] }] # --http-endpoint
  - job_name: flintlock-machines
    metrics_path: /machine
    static_configs: [{ targets: ["localhost:8090"] }]
\`\`\`

On the host itself: \`curl --unix-socket /run/flintlock/flintlockd.sock http://localhost/metrics\`.

A scrape ends within ten seconds whatever a VMM does: a machine has two seconds to answer, all of them together eight.

## Of the host

No label of these is a microVM's or a namespace's, and no client can add a value: methods are those served, pages go by their
template, steps, outcomes and codes are closed sets.

${rowsOf(ours)}

\`grpc_server_*\` are go-grpc-prometheus's names, which upstream has: its dashboards work. Calls over HTTP count in them too, as
they did there. Beside these are \`process_*\` and \`nodejs_*\` of prom-client: memory, processor time, open files, event loop and
garbage collection of the daemon.

## Of microVMs

${rowsOf([
  { ...MICROVMS, labels: ["namespace", "state"] },
  ...VMM_FAMILIES.map((family) => ({ ...family, labels: ["namespace", "name", "uid"] })),
  { ...UNMEASURED, labels: ["reason"] },
])}

They are asked for at each scrape, so what is deleted is gone from the next. The page stays bounded: namespaces beyond the first
hundred count together as \`(other)\`, and the VMMs of the oldest thousand microVMs are told one by one; \`flintlock_vmm_unmeasured\`
says how many are not.

## Machine metrics

Upstream's routes: \`/machine\`, \`/machine/{namespace}\`, \`/machine/{namespace}/{name}\`, \`/machine/uid/{uid}\`. Samples are
\`<group>_<key>{namespace="…",name="…",uid="…"} <integer>\`, as there; with HELP and TYPE, escaped, and in a stable order, which is
new. So is that a machine that fails does not hide the others, and that an unknown uid is 404:

${rowsOf([RUNNING, SCRAPE_ERROR].map((family) => ({ ...family, labels: ["namespace", "name", "uid"] })))}

What QEMU's machines tell:

${table(
  ["Group", "Keys", "From"],
  [
    [
      code("block_<volume>"),
      "read_bytes, write_bytes, read_count, write_count, flush_count, failed_read_count, failed_write_count, read_nanoseconds, write_nanoseconds",
      "QMP `query-blockstats`",
    ],
    [
      code("net_<interface>"),
      "rx_bytes_count, rx_packets_count, rx_fails, tx_bytes_count, tx_packets_count, tx_fails",
      "the TAP's counters, from the guest's side; a user-mode network has none",
    ],
    [code("vcpu_<n>"), "cpu_milliseconds", "QMP `query-cpus-fast` and the thread's time"],
    [code("memory"), "base_bytes", "QMP `query-memory-size-summary`"],
    [
      code("vmm_process"),
      "cpu_milliseconds, resident_bytes, threads, open_fds, storage_read_bytes, storage_write_bytes, disk_bytes",
      "`/proc` and the microVM's directory; every provider has this group",
    ],
  ],
)}

Names are Firecracker's where it has the same number. A character that a name cannot hold becomes \`_\`; volumes \`a-b\` and \`a_b\`
of one machine are \`block_a_b\` and \`block_a_b_2\`.

## Traces

With \`--otlp-endpoint http://localhost:4318\` (or \`OTEL_EXPORTER_OTLP_ENDPOINT\`) the daemon sends OpenTelemetry traces, OTLP over
HTTP as JSON. Without it no tracing library is loaded. Headers for the collector go in \`OTEL_EXPORTER_OTLP_HEADERS\`.

- Each call is a span; a caller's \`traceparent\` (gRPC metadata, or HTTP header) is its parent, and decides about sampling.
- A create goes on: \`store\` when the record is durable, one span for each attempt of each step of the reconciler, \`ready\` from the
  request to the guest's readiness. All are children of the request, with \`flintlock.uid\`, \`.namespace\`, \`.name\`, \`.outcome\`,
  and of a step \`.step\` and \`.attempt\`.
- The trace is kept in the record, so it goes on over a restart of the daemon. It ends with the guest ready or the microVM failed;
  later restarts of the guest, and its deletion, are no part of it.
- Pages and \`grpc.*\` services (health, reflection) are not traced.
- What cannot be sent is dropped: 4,096 spans wait at most, a send has five seconds, the daemon's end two.

[ADR 9](adr/0009-the-trace-is-in-the-record.md) says why.
`;
};

const rowsOf = (rows: readonly Row[]): string =>
  table(
    ["Name", "Type", "Labels", "What it says"],
    rows.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(", "), help]),
  );
