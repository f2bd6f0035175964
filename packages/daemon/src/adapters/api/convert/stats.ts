/** A microVM's numbers as the wire has them. */
import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import type { GuestSpace, GuestStats, GuestTraffic, MicroVMStats, ReportedInterface } from "@flintlock/core";
import { wireState } from "./extension.ts";
import { timestamp } from "./microvm.ts";

export const wireStats = ({
  microvm,
  at,
  vmm,
  vmmError,
  guest,
  guestError,
}: MicroVMStats): ext.StatsResponse =>
  create(ext.StatsResponseSchema, {
    uid: microvm.uid,
    namespace: microvm.namespace,
    name: microvm.id,
    state: wireState(microvm.status.state),
    at: timestamp(at),
    ...(vmm && { vmm: { cpuMilliseconds: BigInt(vmm.cpuMs), residentBytes: BigInt(vmm.residentBytes) } }),
    vmmError: vmmError?.message ?? "",
    ...(guest && { guest: guestOf(guest) }),
    guestError: guestError?.message ?? "",
  });

/** MAX_UINT32 and more, of a guest that makes it up, is told as that. */
const uint32 = (value: number): number => Math.min(value, 0xffff_ffff);

const guestOf = ({ uptimeMs, load, cpu, memory, disk, processes, interfaces }: GuestStats): ext.GuestStats =>
  create(ext.GuestStatsSchema, {
    uptimeMilliseconds: BigInt(uptimeMs),
    load: [...load],
    cpu: {
      count: uint32(cpu.count),
      busyMilliseconds: BigInt(cpu.busyMs),
      idleMilliseconds: BigInt(cpu.idleMs),
      stealMilliseconds: BigInt(cpu.stealMs),
    },
    memory: spaceOf(memory),
    disk: spaceOf(disk),
    processes: uint32(processes),
    interfaces: interfaces.map(interfaceOf),
  });

const spaceOf = ({ totalBytes, availableBytes }: GuestSpace) => ({
  totalBytes: BigInt(totalBytes),
  availableBytes: BigInt(availableBytes),
});

const interfaceOf = ({ name, mac, isUp, addresses, received, sent }: ReportedInterface) => ({
  name,
  mac,
  isUp,
  addresses: [...addresses],
  received: trafficOf(received),
  sent: trafficOf(sent),
});

const trafficOf = ({ bytes, packets, errors, dropped }: GuestTraffic) => ({
  bytes: BigInt(bytes),
  packets: BigInt(packets),
  errors: BigInt(errors),
  dropped: BigInt(dropped),
});
