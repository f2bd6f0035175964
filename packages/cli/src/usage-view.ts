/** Two looks at a microVM's numbers, as what it uses in between. */
import { ext, timestampDate, toJson } from "@flintlock/client";
import { addressesOf, stateName } from "./microvm-view.ts";
import { object, type View } from "./output.ts";
import { formatBytes } from "./units.ts";

export interface Usage {
  readonly now: ext.StatsResponse;
  /** Undefined = seen for the first time */
  readonly before: ext.StatsResponse | undefined;
}

/** Of all its processors, 0 to 100; undefined = not known, or it was started anew in between. */
export const guestCpuPercent = ({ now, before }: Usage): number | undefined => {
  const [a, b] = [before?.guest?.cpu, now.guest?.cpu];
  if (a === undefined || b === undefined) return undefined;
  const busy = Number(b.busyMilliseconds - a.busyMilliseconds);
  const idle = Number(b.idleMilliseconds - a.idleMilliseconds + b.stealMilliseconds - a.stealMilliseconds);
  return busy < 0 || idle < 0 || busy + idle === 0 ? undefined : (100 * busy) / (busy + idle);
};

/** Of one processor of the host; more than 100 where it takes several. */
export const vmmCpuPercent = ({ now, before }: Usage): number | undefined => {
  if (now.vmm === undefined || before?.vmm === undefined || now.at === undefined || before.at === undefined) {
    return undefined;
  }
  const busy = Number(now.vmm.cpuMilliseconds - before.vmm.cpuMilliseconds);
  const elapsed = timestampDate(now.at).getTime() - timestampDate(before.at).getTime();
  return busy < 0 || elapsed <= 0 ? undefined : (100 * busy) / elapsed;
};

const percent = (value: number | undefined): string => (value === undefined ? "" : `${value.toFixed(1)}%`);

const space = (value: ext.GuestSpace | undefined): string => {
  if (value === undefined) return "";
  const used = value.totalBytes > value.availableBytes ? value.totalBytes - value.availableBytes : 0n;
  return `${formatBytes(Number(used))} / ${formatBytes(Number(value.totalBytes))}`;
};

const traffic = (guest: ext.GuestStats | undefined, way: "received" | "sent"): string =>
  guest === undefined
    ? ""
    : formatBytes(guest.interfaces.reduce((sum, each) => sum + Number(each[way]?.bytes ?? 0n), 0));

export const usageView: View<Usage> = {
  columns: [
    { title: "NAME", value: ({ now }) => now.name },
    { title: "STATE", value: ({ now }) => stateName(now.state) },
    { title: "GUEST CPU", value: (usage) => percent(guestCpuPercent(usage)), align: "right" },
    { title: "GUEST MEMORY", value: ({ now }) => space(now.guest?.memory), align: "right" },
    { title: "ROOT DISK", value: ({ now }) => space(now.guest?.disk), align: "right" },
    { title: "NET IN", value: ({ now }) => traffic(now.guest, "received"), align: "right" },
    { title: "NET OUT", value: ({ now }) => traffic(now.guest, "sent"), align: "right" },
    { title: "PROCESSES", value: ({ now }) => now.guest?.processes.toString() ?? "", align: "right" },
    { title: "VMM CPU", value: (usage) => percent(vmmCpuPercent(usage)), align: "right" },
    {
      title: "VMM MEMORY",
      value: ({ now }) => (now.vmm === undefined ? "" : formatBytes(Number(now.vmm.residentBytes))),
      align: "right",
    },
  ],
  wideColumns: [
    { title: "LOAD", value: ({ now }) => now.guest?.load.map((load) => load.toFixed(2)).join(" ") ?? "" },
    { title: "GUEST ADDRESSES", value: ({ now }) => addressesOf(now.guest).join(", ") },
    { title: "REASON", value: ({ now }) => now.guestError || now.vmmError },
  ],
  toObject: (usage) =>
    object("Usage", {
      ...(toJson(ext.StatsResponseSchema, usage.now) as Record<string, unknown>),
      guestCpuPercent: rounded(guestCpuPercent(usage)),
      vmmCpuPercent: rounded(vmmCpuPercent(usage)),
    }),
  nameOf: ({ now }) => now.name,
};

const rounded = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.round(value * 10) / 10;
