/** cloud-init's documents: YAML, kept in a record as base64, as on the wire. */

export interface CloudInit {
  /**
   * `metaData` with `instance_id` and `instance-id`, the uid, where it lacks them; as it is, byte by byte, when it has both.
   * Undefined stands for an empty document. Comments stay.
   * @throws FlintlockError `invalid_spec` – not a flat map of texts
   */
  withInstanceId(metaData: string | undefined, uid: string): string;
  /**
   * `vendorData` that mounts `mounts` besides what else it does; undefined stands for none.
   * @throws FlintlockError `invalid_spec` – it is there, and is not `#cloud-config`
   */
  withMounts(vendorData: string | undefined, mounts: readonly SeedMount[]): string;
  /** Network configuration, version 2. */
  networkConfig(ethernets: readonly Ethernet[]): string;
}

export interface SeedMount {
  /** In the guest, such as `vdb` */
  readonly device: string;
  readonly path: string;
  readonly isReadOnly: boolean;
}

export interface Ethernet {
  readonly deviceId: string;
  readonly mac: string;
  /** CIDR; undefined = DHCP */
  readonly address: string | undefined;
  /** IP */
  readonly gateway: string | undefined;
  readonly nameservers: readonly string[];
  /** Bytes; undefined = what the guest takes by itself */
  readonly mtu: number | undefined;
}
