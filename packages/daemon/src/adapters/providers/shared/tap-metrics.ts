/** Counters of a host TAP device, from sysfs, seen from the guest: what the device sends, the guest receives. */
import type { MachineMetric } from "@flintlock/core";
import { readBounded } from "./proc.ts";

/** COMPAT: keys as Firecracker's `net_<iface>`. The host's word for each is the opposite one. */
const COUNTERS = [
  { key: "rx_bytes_count", file: "tx_bytes", help: "Bytes the guest has received" },
  { key: "rx_packets_count", file: "tx_packets", help: "Packets the guest has received" },
  { key: "rx_fails", file: "tx_dropped", help: "Packets to the guest that the host dropped" },
  { key: "tx_bytes_count", file: "rx_bytes", help: "Bytes the guest has sent" },
  { key: "tx_packets_count", file: "rx_packets", help: "Packets the guest has sent" },
  { key: "tx_fails", file: "rx_dropped", help: "Packets from the guest that the host dropped" },
] as const;

/** IFNAMSIZ is 16 with the final NUL; never a path */
const DEVICE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;

/** Empty when there is no such device. */
export const tapMetrics = async (deviceId: string, hostDevice: string): Promise<readonly MachineMetric[]> => {
  if (!DEVICE.test(hostDevice)) return [];
  const metrics = await Promise.all(
    COUNTERS.map(async ({ key, file, help }) => {
      const text = await readBounded(`/sys/class/net/${hostDevice}/statistics/${file}`, 64);
      const value = /^\d{1,20}\n?$/.test(text ?? "") ? Number(text) : undefined;
      return value === undefined
        ? []
        : [{ group: `net_${deviceId}`, key, value, kind: "counter" as const, help }];
    }),
  );
  return metrics.flat();
};
