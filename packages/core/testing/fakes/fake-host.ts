import {
  type BaseDisk,
  type Digest,
  type Disk,
  FlintlockError,
  type HostPorts,
  type Image,
  type ImageStore,
  INITRD_FILE_LABEL,
  type InterfaceStatus,
  KERNEL_FILE_LABEL,
  type LinkOwner,
  type NetworkInterface,
  type NetworkManager,
  type OciReference,
  type SharedDirectories,
  type Uid,
  type VmDirectories,
  type VmKey,
  type VolumeStore,
} from "@flintlock/core";

/** Images that exist by being asked for; `missing` and `errors` are the test's to fill. */
export class FakeImages implements ImageStore {
  readonly present = new Map<Digest, Image>();
  readonly missing = new Set<string>();
  readonly errors: Error[] = [];
  pulls = 0;

  async pull(reference: OciReference): Promise<Image> {
    this.pulls++;
    const error = this.errors.shift();
    if (error !== undefined) throw error;
    if (this.missing.has(reference)) throw new FlintlockError("not_found", `image ${reference} not found`);
    const image = fakeImage(reference);
    this.present.set(image.digest, image);
    return image;
  }

  async find(key: OciReference | Digest): Promise<Image | undefined> {
    return (
      this.present.get(key as Digest) ?? [...this.present.values()].find(({ reference }) => reference === key)
    );
  }

  async list(): Promise<readonly Image[]> {
    return [...this.present.values()];
  }

  async file(digest: Digest, path: string): Promise<string> {
    return `/fake/${digest}/${path}`;
  }

  async baseDisk(digest: Digest, sizeMib: number | undefined): Promise<BaseDisk> {
    return { path: `/fake/${digest}.raw`, sizeBytes: (sizeMib ?? 1024) * 1024 * 1024, filesystem: "ext4" };
  }

  async remove(reference: OciReference): Promise<void> {
    this.present.delete(fakeImage(reference).digest);
  }

  async prune(): Promise<number> {
    return 0;
  }
}

export const fakeImage = (reference: OciReference): Image => {
  let sum = 0;
  for (const char of reference.replace(/@.*$/, "")) sum = (sum * 31 + char.charCodeAt(0)) % 0xffff_ffff;
  return {
    reference,
    digest: `sha256:${sum.toString(16).padStart(64, "0")}` as Digest,
    config: {
      entrypoint: [],
      cmd: ["/bin/sh"],
      env: [],
      user: "",
      workingDir: "",
      labels: { [KERNEL_FILE_LABEL]: "boot/vmlinuz", [INITRD_FILE_LABEL]: "boot/initrd.img" },
    },
    sizeBytes: 1,
    layers: 1,
    createdAt: undefined,
    platform: "linux/amd64",
  };
};

const FAKE_DISK_BYTES = 1024 ** 3;

/** Directories, volumes, interfaces and ports that are entries of sets. */
export class FakeHost implements VmDirectories, VolumeStore, NetworkManager, HostPorts, SharedDirectories {
  readonly directories = new Set<string>();
  readonly disks = new Map<string, readonly string[]>();
  /** Bytes by path, of those that have grown */
  readonly sizes = new Map<string, number>();
  readonly devices = new Map<Uid, Map<string, InterfaceStatus>>();
  /** Why a directory is not shared, by its path */
  readonly refusals = new Map<string, string>();
  /** Ports of the host that somebody listens on */
  readonly taken = new Set<number>();
  #nextPort = 40_000;

  async refusal(hostPath: string): Promise<string | undefined> {
    return this.refusals.get(hostPath);
  }

  serves(): boolean {
    return true;
  }

  path(vm: VmKey): string {
    return `/fake/vm/${vm.namespace}/${vm.id}/${vm.uid}`;
  }

  async exists(vm: VmKey): Promise<boolean> {
    return this.directories.has(this.path(vm));
  }

  async remove(vm: VmKey): Promise<void>;
  async remove(owner: Uid, deviceId: string): Promise<void>;
  async remove(what: VmKey | Uid, deviceId?: string): Promise<void> {
    if (typeof what === "string") {
      this.devices.get(what)?.delete(deviceId ?? "");
      if (this.devices.get(what)?.size === 0) this.devices.delete(what);
      return;
    }
    this.directories.delete(this.path(what));
    this.disks.delete(this.path(what));
  }

  async ensure(vm: VmKey): Promise<string>;
  async ensure(owner: LinkOwner, iface: NetworkInterface): Promise<InterfaceStatus>;
  async ensure(directory: string, volumeId: string, base: BaseDisk, want: Omit<Disk, "path">): Promise<Disk>;
  async ensure(
    what: VmKey | LinkOwner | string,
    part?: string | NetworkInterface,
    _base?: BaseDisk,
    want?: Omit<Disk, "path">,
  ): Promise<string | InterfaceStatus | Disk> {
    if (typeof what !== "string") {
      if (typeof part === "object") return this.#ensureLink(what.uid, part);
      const path = this.path(what as VmKey);
      this.directories.add(path);
      return path;
    }
    const id = String(part);
    const disk: Disk = {
      path: `${what}/${id}`,
      format: want?.format ?? "raw",
      isReadOnly: want?.isReadOnly ?? false,
    };
    const ids = this.disks.get(what) ?? [];
    if (!ids.includes(id)) this.disks.set(what, [...ids, id]);
    return disk;
  }

  #ensureLink(owner: Uid, { deviceId }: NetworkInterface): InterfaceStatus {
    const owned = this.devices.get(owner) ?? new Map<string, InterfaceStatus>();
    const status = owned.get(deviceId) ?? {
      hostDeviceName: `tap${this.devices.size}`,
      index: 1,
      macAddress: "FE:00:00:00:00:01",
      mtu: 1500,
    };
    this.devices.set(owner, owned.set(deviceId, status));
    return status;
  }

  async grow(directory: string, volumeId: string, sizeBytes: number): Promise<void> {
    const path = `${directory}/${volumeId}`;
    this.sizes.set(path, Math.max(sizeBytes, this.sizes.get(path) ?? FAKE_DISK_BYTES));
  }

  async observe(directory: string): Promise<ReadonlyMap<string, number>>;
  async observe(owner: Uid, interfaces: readonly NetworkInterface[]): Promise<ReadonlySet<string>>;
  async observe(
    owner: string,
    interfaces?: readonly NetworkInterface[],
  ): Promise<ReadonlySet<string> | ReadonlyMap<string, number>> {
    if (interfaces === undefined) {
      const ids = this.disks.get(owner) ?? [];
      return new Map(ids.map((id) => [id, this.sizes.get(`${owner}/${id}`) ?? FAKE_DISK_BYTES]));
    }
    return new Set(this.devices.get(owner as Uid)?.keys());
  }

  async choose<T extends { readonly hostPort: number }>(publication: T): Promise<T> {
    if (this.taken.has(publication.hostPort)) {
      throw new FlintlockError(
        "failed_precondition",
        `ports: port ${publication.hostPort} is already in use`,
      );
    }
    return publication.hostPort === 0 ? { ...publication, hostPort: this.#nextPort++ } : publication;
  }
}
