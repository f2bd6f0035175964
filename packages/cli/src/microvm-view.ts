/** MicroVMs as rows and as objects. */
import { ext, timestampDate, toJson } from "@flintlock/client";
import { object, type View } from "./output.ts";
import type { Column } from "./table.ts";
import { formatAge } from "./units.ts";

export const nameOf = (vm: ext.MicroVM): string => vm.microvm?.spec?.id ?? "";
export const namespaceOf = (vm: ext.MicroVM): string => vm.microvm?.spec?.namespace ?? "";
export const uidOf = (vm: ext.MicroVM): string => vm.microvm?.spec?.uid ?? "";
/** The wire's word, such as `RUNNING`. */
export const stateOf = (vm: ext.MicroVM): string => stateName(vm.state);
export const stateName = (state: ext.State): string => STATE_NAMES.get(state) ?? String(state);

const STATE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ext.State).map(([name, number]) => [number, name]),
);

/** ULIDs of one millisecond share ten characters, so fewer would rarely tell two apart. */
const MIN_PREFIX = 10;

export interface MicroVMViewOptions {
  readonly nowMs?: number;
  /** What their guests say of themselves, by uid */
  readonly reports?: ReadonlyMap<string, ext.GuestStats> | undefined;
}

/** The view for this list: its uids are as short as they can be without being ambiguous in it. */
export const microvmView = (
  all: readonly ext.MicroVM[],
  { nowMs = Date.now(), reports = new Map() }: MicroVMViewOptions = {},
): View<ext.MicroVM> => {
  const prefix = uniquePrefixLength(all.map(uidOf));
  const shared = (uid: Column<ext.MicroVM>): readonly Column<ext.MicroVM>[] => [
    { title: "NAME", value: nameOf },
    { title: "NAMESPACE", value: namespaceOf },
    uid,
    { title: "STATE", value: stateText },
    { title: "IMAGE", value: imageOf },
    { title: "CPUS", value: (vm) => String(vm.microvm?.spec?.vcpu ?? ""), align: "right" },
    { title: "MEMORY", value: (vm) => memoryText(vm.microvm?.spec?.memoryInMb ?? 0), align: "right" },
    { title: "PORTS", value: (vm) => vm.ports.map(portText).join(", ") },
    { title: "AGE", value: (vm) => ageOf(vm, nowMs), align: "right" },
  ];
  return {
    columns: shared({ title: "UID", value: (vm) => uidOf(vm).slice(0, prefix) }),
    wideColumns: [
      ...shared({ title: "UID", value: uidOf }),
      { title: "PROVIDER", value: (vm) => vm.microvm?.spec?.provider ?? "" },
      { title: "GUEST ADDRESSES", value: (vm) => addressesOf(reports.get(uidOf(vm))).join(", ") },
      { title: "KERNEL", value: (vm) => vm.microvm?.spec?.kernel?.image ?? "" },
      { title: "COMMAND", value: (vm) => vm.process?.command.join(" ") ?? "" },
      { title: "REASON", value: (vm) => vm.failure?.message ?? vm.exit?.reason ?? "" },
    ],
    toObject: (vm) =>
      object("MicroVM", {
        name: nameOf(vm),
        namespace: namespaceOf(vm),
        uid: uidOf(vm),
        ...(toJson(ext.MicroVMSchema, vm, { alwaysEmitImplicit: true }) as Record<string, unknown>),
        ...reportOf(reports.get(uidOf(vm))),
      }),
    nameOf,
  };
};

/** Without the prefix lengths, and without link-local ones, which mean nothing elsewhere. */
export const addressesOf = (guest: ext.GuestStats | undefined): readonly string[] =>
  (guest?.interfaces ?? [])
    .flatMap(({ addresses }) => addresses)
    .map((address) => address.replace(/\/.*$/, ""))
    .filter((address) => !/^(?:fe[89ab]|169\.254\.)/.test(address));

/** Under a name that says whose word it is. */
const reportOf = (guest: ext.GuestStats | undefined) =>
  guest === undefined
    ? {}
    : {
        guestReported: { addresses: addressesOf(guest), ...(toJson(ext.GuestStatsSchema, guest) as object) },
      };

/** The fewest characters, at least ten, that tell all of `uids` apart. */
export const uniquePrefixLength = (uids: readonly string[]): number => {
  const sorted = [...new Set(uids)].sort();
  let length = MIN_PREFIX;
  for (const [index, uid] of sorted.entries()) {
    const next = sorted[index + 1] ?? "";
    let common = 0;
    while (common < next.length && uid[common] === next[common]) common += 1;
    length = Math.max(length, common + 1);
  }
  return length;
};

/** `EXITED (3)`, `PENDING (crash-looping)`: the code, or the reason, matters as much as the state. */
const stateText = (vm: ext.MicroVM): string => {
  const ends = vm.state === ext.State.EXITED ? [vm.exit?.code ?? vm.exit?.reason ?? "unknown"] : [];
  const remarks = vm.reason === "" ? ends : [...ends, vm.reason];
  return remarks.length === 0 ? stateOf(vm) : `${stateOf(vm)} (${remarks.join(", ")})`;
};

const imageOf = (vm: ext.MicroVM): string => vm.microvm?.spec?.rootVolume?.source?.containerSource ?? "";

const memoryText = (mib: number): string => (mib > 0 && mib % 1024 === 0 ? `${mib / 1024}G` : `${mib}M`);

export const portText = (port: ext.Port): string => {
  const ip = port.hostIp || "127.0.0.1";
  return `${ip.includes(":") ? `[${ip}]` : ip}:${port.hostPort}->${port.guestPort}/${port.protocol || "tcp"}`;
};

const ageOf = (vm: ext.MicroVM, nowMs: number): string => {
  const createdAt = vm.microvm?.spec?.createdAt;
  return createdAt === undefined ? "" : formatAge(nowMs - timestampDate(createdAt).getTime());
};
