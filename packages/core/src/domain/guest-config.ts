/**
 * What our init reads in the guest, as JSON at `/flintlock/config.json`, from a cpio segment that the provider
 * appends to the initrd. The same text is parsed in C by `guest/init`.
 */
export interface GuestConfig {
  readonly version: 1;
  /** How the host reaches the agent; left out, by a virtio-serial port */
  readonly agent?: "vsock";
  /**
   * The block device that takes the status lines where there is no virtio-serial port for them, `/dev/…`. Always the
   * machine's last disk, so that the volumes keep their letters.
   */
  readonly status?: string;
  readonly hostname: string;
  readonly root: GuestRoot;
  readonly mounts: readonly GuestMount[];
  readonly interfaces: readonly GuestInterface[];
  readonly nameservers: readonly string[];
  /** Where the image has cloud-init, and boots its init, the network is left to it; absent = true */
  readonly isNetworkByCloudInit?: boolean;
  /** `prefer` decides when the image has both; whichever is missing leaves the other */
  readonly boot: {
    readonly prefer: "init" | "process";
    /** Absolute path of the init system to look for */
    readonly init: string;
    readonly process: GuestProcess | undefined;
  };
}

export interface GuestRoot {
  /** `/dev/…`, `LABEL=…`, `UUID=…` or `PARTUUID=…` */
  readonly device: string;
  readonly fsType: string;
  readonly isReadOnly: boolean;
}

export interface GuestMount {
  /** As the root's; of `virtiofs` the tag, for which no device is waited */
  readonly device: string;
  readonly path: string;
  readonly fsType: string;
  readonly isReadOnly: boolean;
}

export interface GuestInterface {
  /** How the guest finds it, lower case */
  readonly mac: string;
  readonly name: string;
  /** CIDRs; empty = DHCP */
  readonly addresses: readonly string[];
  readonly gateway: string | undefined;
  /** Bytes; undefined = as the device comes */
  readonly mtu?: number | undefined;
}

export interface GuestProcess {
  readonly args: readonly string[];
  /** `KEY=value` */
  readonly env: readonly string[];
  readonly cwd: string;
  /** `user[:group]`, names or numbers, resolved in the guest against the image's own files; empty = root */
  readonly user: string;
  readonly tty: boolean;
  /** True: stdio waits for a client on the agent's `attach`; false: output goes to the console */
  readonly attach: boolean;
}
