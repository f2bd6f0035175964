/** What a guest says of itself. Nothing of it is to be believed; all of it is bounded. Counters are since its boot. */
export interface GuestStats {
  readonly uptimeMs: number;
  /** Over 1, 5 and 15 minutes */
  readonly load: readonly [number, number, number];
  readonly cpu: GuestCpu;
  readonly memory: GuestSpace;
  /** Of its root file system */
  readonly disk: GuestSpace;
  readonly processes: number;
  /** Without the loopback */
  readonly interfaces: readonly ReportedInterface[];
}

/** All its processors together. */
export interface GuestCpu {
  readonly count: number;
  readonly busyMs: number;
  readonly idleMs: number;
  /** Wanted, but the host did something else */
  readonly stealMs: number;
}

export interface GuestSpace {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

export interface ReportedInterface {
  readonly name: string;
  /** Empty where it has none */
  readonly mac: string;
  readonly isUp: boolean;
  /** With their prefix lengths, such as `10.0.2.15/24` */
  readonly addresses: readonly string[];
  readonly received: GuestTraffic;
  readonly sent: GuestTraffic;
}

export interface GuestTraffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}
