/** What Firecracker's numbers are (src/vmm/src/logger/metrics.rs of its repository). */

/** Groups of which each line has the number as it is then (`SharedStoreMetric`); the others count since the line before */
const LEVEL_GROUPS: ReadonlySet<string> = new Set(["latencies_us", "seccomp", "signals"]);
const LEVELS: ReadonlySet<string> = new Set([
  "api_server.process_startup_time_us",
  "api_server.process_startup_time_cpu_us",
  "vmm.panic_count",
]);

export const isLevel = (group: string, key: string): boolean =>
  (LEVEL_GROUPS.has(group) && !(group === "signals" && key === "sigpipe")) || LEVELS.has(`${group}.${key}`);

const KNOWN: Readonly<Record<string, string>> = {
  "block.read_bytes": "Bytes the guest has read from the volume",
  "block.write_bytes": "Bytes the guest has written to the volume",
  "block.read_count": "Reads of the volume by the guest",
  "block.write_count": "Writes to the volume by the guest",
  "block.flush_count": "Flushes of the volume by the guest",
  "net.rx_bytes_count": "Bytes the guest has received",
  "net.rx_packets_count": "Packets the guest has received",
  "net.tx_bytes_count": "Bytes the guest has sent",
  "net.tx_packets_count": "Packets the guest has sent",
};

/** One sentence; for most keys Firecracker's name is all there is. */
export const helpOf = (group: string, key: string): string => {
  const device = /^(block|net)_/.exec(group)?.[1];
  const known = device === undefined ? undefined : KNOWN[`${device}.${key}`];
  return known ?? `Firecracker's ${key} of ${device ?? group}`;
};
