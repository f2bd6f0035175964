/** Numbers of a guest that there is not. */
import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";

/** The `look`th of all, none where the guest `isMute`: each is a second later, in which the guest is busy for a quarter of its time. */
export const statsOf = (vm: ext.MicroVM, look: number, isMute: boolean): ext.StatsResponse => {
  const { uid = "", namespace = "", id = "" } = vm.microvm?.spec ?? {};
  const mute = { guestError: "the guest said nothing within 2000 ms" };
  const at = { seconds: BigInt(1_700_000_000 + look) };
  const ms = BigInt(look * 1000);
  const traffic = { bytes: 2048n };
  const guest = {
    load: [0.5, 0.25, 0],
    cpu: { count: 2, busyMilliseconds: ms / 2n, idleMilliseconds: (ms * 3n) / 2n },
    memory: { totalBytes: 1n << 29n, availableBytes: 3n << 27n },
    disk: { totalBytes: 1n << 30n, availableBytes: 1n << 29n },
    processes: 7,
    interfaces: [
      {
        name: "eth0",
        addresses: ["10.0.2.15/24", "fe80::1/64", "fd00::1/64"],
        received: traffic,
        sent: traffic,
      },
    ],
  };
  return create(ext.StatsResponseSchema, {
    uid,
    namespace,
    name: id,
    state: vm.state,
    at,
    vmm: { cpuMilliseconds: ms / 10n, residentBytes: 1n << 27n },
    ...(isMute ? mute : { guest }),
  });
};
