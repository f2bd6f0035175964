/** What of a machine can be changed while it runs, where its provider can; and what is to be changed. Pure. */
import type { MicroVMSpec, PortPublication, RateLimits } from "./microvm.ts";
import { MIN_GUEST_MIB } from "./request-fields.ts";
import { diskVolumesOf } from "./spec-parts.ts";

export interface MachineSettings {
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly limits?: RateLimits | undefined;
  /** What the balloon takes, in MiB; undefined = no balloon */
  readonly balloonMib?: number | undefined;
  readonly ports: readonly PortPublication[];
  /** Sizes of the volumes that were grown since their disks were made, in MiB by volume id */
  readonly diskMib?: Readonly<Record<string, number>>;
}

export type Adjustable = keyof MachineSettings;

/** In the order in which they are changed. */
export const ADJUSTABLE = ["diskMib", "limits", "balloonMib", "ports", "vcpu", "memoryMib"] as const;

/** Of a machine that runs. */
export interface LiveSettings extends Leeway {
  /** What it was started with, and given since */
  readonly applied: MachineSettings;
}

/** How far a machine can be changed before it is started again. */
export interface Leeway {
  /** The most that it can be given; undefined = what it has */
  readonly room?: Room | undefined;
  /** What its VMM cannot change, though others of its kind do */
  readonly except?: readonly Adjustable[] | undefined;
}

/** What a machine has, and what of it its provider can change. */
export interface Adjusting extends LiveSettings {
  readonly can: ReadonlySet<Adjustable>;
}

export interface Room {
  readonly vcpu: number;
  readonly memoryMib: number;
  /** Memory is added in multiples of this, and none is taken away */
  readonly memoryStepMib: number;
}

export const settingsOf = (spec: MicroVMSpec): MachineSettings => {
  const grown = diskVolumesOf(spec).flatMap(({ id, grownToMib }) =>
    grownToMib === undefined ? [] : [[id, grownToMib] as const],
  );
  return {
    vcpu: spec.vcpu,
    memoryMib: spec.memoryMib,
    limits: spec.limits,
    balloonMib: spec.balloonMib,
    ports: spec.ports,
    ...(grown.length > 0 && { diskMib: Object.fromEntries(grown) }),
  };
};

/** Nothing but its settings. */
export const onlySettings = (of: MachineSettings): MachineSettings => {
  const { vcpu, memoryMib, limits, balloonMib, ports, diskMib } = of;
  return { vcpu, memoryMib, limits, balloonMib, ports, ...(diskMib !== undefined && { diskMib }) };
};

/** What `can` be changed of a machine at once, and is not as wanted; the rest waits for its next start. */
export const adjustmentsOf = (
  wanted: MachineSettings,
  live: LiveSettings,
  can: ReadonlySet<Adjustable>,
): readonly Adjustable[] =>
  ADJUSTABLE.filter(
    (kind) =>
      can.has(kind) &&
      !live.except?.includes(kind) &&
      differs(wanted, live.applied, kind) &&
      POSSIBLE[kind](wanted, live),
  );

const always = (): boolean => true;

const POSSIBLE: { readonly [K in Adjustable]: (wanted: MachineSettings, live: LiveSettings) => boolean } = {
  limits: always,
  ports: always,
  diskMib: always,
  // The device itself comes and goes with a start.
  balloonMib: ({ balloonMib }, { applied }) =>
    balloonMib !== undefined &&
    applied.balloonMib !== undefined &&
    applied.memoryMib - balloonMib >= MIN_GUEST_MIB,
  vcpu: ({ vcpu }, { room }) => room !== undefined && vcpu <= room.vcpu,
  memoryMib: ({ memoryMib }, { applied, room }) =>
    room !== undefined &&
    memoryMib > applied.memoryMib &&
    memoryMib <= room.memoryMib &&
    (memoryMib - applied.memoryMib) % room.memoryStepMib === 0,
};

const differs = (a: MachineSettings, b: MachineSettings, kind: Adjustable): boolean =>
  canonical(a[kind]) !== canonical(b[kind]);

/** One text for what is the same: the order of keys, and keys without a value, mean nothing. */
const canonical = (value: MachineSettings[Adjustable]): string =>
  JSON.stringify(value ?? {}, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
