/** Changing a machine that runs, over QMP (QEMU: qapi/block-core.json, qapi/machine.json). */
import { FlintlockError, type Machine, type PortPublication } from "@flintlock/core";
import { connectIn } from "../shared/directory-socket.ts";
import type { KeyedLock } from "../shared/keyed-lock.ts";
import type { Adjuster, Adjusters } from "../shared/vmm-driver.ts";
import { diskNode, forwardRule, netdevId, publisherOf, QMP_SOCKET } from "./args.ts";
import { ceilings, groupOf } from "./disk-limits.ts";
import { forwardRefusal } from "./forward-refusal.ts";
import { publishedOn } from "./published.ts";
import { openQmp, type QmpClient } from "./qmp.ts";

const MIB = 1024 ** 2;

/** `lock`: QMP serves one client at a time. */
export const qemuAdjusters = (lock: KeyedLock): Adjusters => {
  const told =
    (tell: (qmp: QmpClient, machine: Machine, memoryMib: number) => Promise<void>): Adjuster =>
    (machine, { applied }, signal) =>
      lock.run(machine.uid, async () => {
        const { directory } = machine;
        await using qmp = await openQmp(await connectIn(directory, QMP_SOCKET, signal), signal);
        await tell(qmp, machine, applied.memoryMib);
      });
  return {
    limits: told(async (qmp, { disks, limits }) => {
      for (const index of disks.keys()) {
        const path = `/objects/${groupOf(diskNode(index))}`;
        await qmp.execute("qom-set", { path, property: "limits", value: ceilings(limits) });
      }
    }),

    balloonMib: told(async (qmp, { balloonMib = 0 }, memoryMib) => {
      // What the guest keeps, in bytes.
      await qmp.execute("balloon", { value: (memoryMib - balloonMib) * MIB });
    }),

    diskMib: told(async (qmp, { disks, diskMib = {} }) => {
      for (const [index, { volumeId }] of disks.entries()) {
        const mib = diskMib[volumeId];
        if (mib === undefined) continue;
        await qmp.execute("block_resize", { "node-name": diskNode(index), size: mib * MIB });
      }
    }),

    ports: told(publish),
  };
};

/** QEMU is asked what it publishes: a change may have been cut off in the middle. */
const publish = async (qmp: QmpClient, { interfaces, ports }: Machine): Promise<void> => {
  const netdev = netdevId(publisherOf(interfaces));
  const present = publishedOn(netdev, await monitor(qmp, "info usernet"));
  for (const port of present) {
    if (!ports.some((each) => isSame(each, port))) {
      await monitor(qmp, `hostfwd_remove ${netdev} ${forwardRule(port, 0).replace(/-:\d+$/, "")}`);
    }
  }
  for (const [index, port] of ports.entries()) {
    if (present.some((each) => isSame(each, port))) continue;
    const words = await monitor(qmp, `hostfwd_add ${netdev} ${forwardRule(port, index)}`);
    if (words.trim() !== "") throw await refusalOf(words);
  }
};

const isSame = (a: PortPublication, b: PortPublication): boolean =>
  a.protocol === b.protocol &&
  a.hostIp === b.hostIp &&
  a.hostPort === b.hostPort &&
  a.guestPort === b.guestPort;

/** SAFETY: `line` is made of our own names, addresses that were parsed, and numbers. */
const monitor = async (qmp: QmpClient, line: string): Promise<string> =>
  String(await qmp.execute("human-monitor-command", { "command-line": line }));

const refusalOf = async (words: string): Promise<FlintlockError> => {
  const cause = new Error(words.trim().slice(0, 500));
  const other = new FlintlockError("provider_failed", "QEMU did not publish a port", { cause });
  return (await forwardRefusal(words, cause)) ?? other;
};
