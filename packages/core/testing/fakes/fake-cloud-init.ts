import type { CloudInit, Disk, SeedDisks } from "@flintlock/core";

/** Documents as plain text: what was asked for can be read from the result. */
export const fakeCloudInit: CloudInit = {
  withInstanceId: (metaData = "", uid) => `${metaData}+id:${uid}`,
  withMounts: (vendorData = "", mounts) =>
    `${vendorData}+mounts:${mounts.map(({ device, path }) => `${device}=${path}`).join(",")}`,
  networkConfig: (ethernets) => `network:${ethernets.map(({ deviceId }) => deviceId).join(",")}`,
};

/** Seed disks that are entries of a map, by directory. */
export class FakeSeeds implements SeedDisks {
  readonly made = new Map<string, Readonly<Record<string, string>>>();

  async ensure(directory: string, files: Readonly<Record<string, string>>): Promise<Disk> {
    this.made.set(directory, files);
    return { path: `${directory}/seed.img`, format: "raw", isReadOnly: true };
  }
}
