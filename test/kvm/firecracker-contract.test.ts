/** The contract on each Firecracker in FLINTLOCK_VMM_DIR, where a guest runs under KVM; and again in a jail. */
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { providerContract } from "../../packages/core/testing/contracts/provider.contract.ts";
import type { FirecrackerOptions } from "../../packages/daemon/src/adapters/providers/firecracker/provider.ts";
import { createFirecrackerHarness } from "../integration/providers/firecracker-harness.ts";
import { type GuestFiles, unpackGuestFiles } from "../integration/providers/guest-files.ts";
import { vmmBinaries } from "../integration/providers/vmm-binaries.ts";

const LIMITS = { timeoutMs: 300_000, graceMs: 60_000 } as const;

for (const { name, path, obstacle } of await vmmBinaries("firecracker")) {
  const binary = path ?? name;
  const jailer = binary.replace(/firecracker-(v[^/]*)$/, "jailer-$1");
  const jailObstacle =
    obstacle ??
    (process.geteuid?.() === 0 ? undefined : "a jailer needs root") ??
    (await access(jailer).then(
      () => undefined,
      () => `there is no ${jailer}`,
    ));
  let directory: string;
  let files: GuestFiles;
  const unpack = async (): Promise<void> => {
    directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
    files = await unpackGuestFiles(directory);
  };
  const remove = async (): Promise<void> => await rm(directory, { recursive: true });

  describe.skipIf(obstacle !== undefined)(titled(name, obstacle), () => {
    beforeAll(unpack);
    afterAll(remove);
    providerContract(name, () => createFirecrackerHarness(files, binary), LIMITS);
  });

  describe.skipIf(jailObstacle !== undefined)(titled(`${name} in a jail`, jailObstacle), () => {
    beforeAll(unpack);
    afterAll(remove);
    const jail = (): FirecrackerOptions["jail"] => ({
      binary: jailer,
      baseDir: join(directory, "jails"),
      userIds: { first: 300_000, count: 100 },
      cgroupVersion: "2",
    });
    providerContract(
      `${name} in a jail`,
      () => createFirecrackerHarness(files, binary, { jail: jail() }),
      LIMITS,
    );
  });
}

function titled(name: string, obstacle: string | undefined): string {
  return obstacle === undefined ? name : `${name}: ${obstacle}`;
}
