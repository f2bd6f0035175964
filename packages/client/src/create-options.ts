/** What a program asks for, as the request on the wire. Bounds are the daemon's to check: docs/fields.md. */
import { create, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { ext, type types } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import { type ExpiryOption, expiryOf } from "./expiry-option.ts";
import { type LimitsOption, limitsOf } from "./limits-option.ts";
import { mergeMessages } from "./merge-messages.ts";
import { type PortOption, portOf } from "./port-option.ts";
import { mebibytes, type Size, whole } from "./size-option.ts";

export interface CreateOptions extends ExpiryOption {
  /** Image reference; the bundled one (busybox) when absent */
  readonly image?: string | undefined;
  /** Generated when absent */
  readonly name?: string | undefined;
  /** `default` when absent */
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Virtual CPUs; 1 when absent */
  readonly vcpu?: number | undefined;
  /** MiB, or a text such as "512M" or "2G"; 512 MiB when absent */
  readonly memory?: Size | undefined;
  /** Of the root file system, as `memory` */
  readonly disk?: Size | undefined;
  /** In place of the image's: program and arguments, or a line for `sh -c` */
  readonly command?: string | readonly string[] | undefined;
  /** In place of the image's; empty: none */
  readonly entrypoint?: readonly string[] | undefined;
  /** Added to the image's */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `user` or `user:group` in the guest; the image's when absent */
  readonly user?: string | undefined;
  /** The image's when absent */
  readonly cwd?: string | undefined;
  /** Gives the command a terminal */
  readonly tty?: boolean | undefined;
  /** The command waits for `attach()` before it starts, and the guest stays until it has ended. Otherwise output goes to the console. */
  readonly attach?: boolean | undefined;
  /** Guest ports to publish on the host: 80, "8080:80", "127.0.0.1:8080:80/udp", or an object */
  readonly ports?: readonly PortOption[] | undefined;
  readonly volumes?: readonly VolumeOption[] | undefined;
  readonly limits?: LimitsOption | undefined;
  /** Memory that the host takes back to begin with, as `memory`, or 0 for a balloon alone; none when absent */
  readonly balloon?: Size | undefined;
  /**
   * What the guest must have come to before it is `running`, after each start: "agent", "ip", "ssh", "cloud-init", "tcp:PORT" or
   * "exec:COMMAND" (docs/waiting.md)
   */
  readonly readyWhen?: readonly string[] | ReadyWhen | undefined;
  /** When the guest ends; "no" when absent */
  readonly restart?: keyof typeof RESTART_POLICIES | undefined;
  /** With "on-failure": how often in a row; 0: no limit */
  readonly maxRestarts?: number | undefined;
  /** "auto", "qemu", "firecracker" or "cloudhypervisor"; the daemon's setting when absent */
  readonly provider?: string | undefined;
  /** When to fetch images; "missing" when absent */
  readonly pull?: "missing" | "always" | "never" | undefined;
  /** cloud-init user data, as text */
  readonly userData?: string | undefined;
  /** Its deletion is refused until `update({ protected: false })` */
  readonly protected?: boolean | undefined;
  /** 1 to 128 printable characters: the same create with the same id makes no second microVM. Made up when absent */
  readonly requestId?: string | undefined;
  /** All else of a request, as on the wire (docs/fields.md); the options above are laid over it */
  readonly request?: MessageInitShape<typeof ext.CreateRequestSchema> | undefined;
}

export interface ReadyWhen {
  /** 1 to 8, awaited one after the other */
  readonly conditions: readonly string[];
  /** For all of them, 1 to 3600, then it has failed; 300 when absent */
  readonly timeoutSeconds?: number | undefined;
}

export interface VolumeOption {
  /** Image reference, or a directory of the host when it begins with `/` */
  readonly source: string;
  /** Where it is in the guest */
  readonly path: string;
  readonly readOnly?: boolean | undefined;
  /** Of an image's file system, as `memory` */
  readonly size?: Size | undefined;
}

const RESTART_POLICIES = {
  no: ext.RestartPolicy.NO,
  always: ext.RestartPolicy.ALWAYS,
  "on-failure": ext.RestartPolicy.ON_FAILURE,
  "unless-stopped": ext.RestartPolicy.UNLESS_STOPPED,
} as const;

export type RestartPolicyName = keyof typeof RESTART_POLICIES;

/** @throws ClientError `invalid_spec` */
export const restartPolicy = (name: string): ext.RestartPolicy => {
  if (Object.hasOwn(RESTART_POLICIES, name)) return RESTART_POLICIES[name as RestartPolicyName];
  throw invalidOption("restart", `must be one of ${Object.keys(RESTART_POLICIES).join(", ")}`);
};

const OPTION_NAMES: Readonly<Record<keyof CreateOptions, true>> = {
  image: true,
  name: true,
  namespace: true,
  labels: true,
  vcpu: true,
  memory: true,
  disk: true,
  command: true,
  entrypoint: true,
  env: true,
  user: true,
  cwd: true,
  tty: true,
  attach: true,
  ports: true,
  volumes: true,
  limits: true,
  balloon: true,
  readyWhen: true,
  ttlSeconds: true,
  idleSeconds: true,
  expiryAction: true,
  restart: true,
  maxRestarts: true,
  provider: true,
  pull: true,
  userData: true,
  protected: true,
  requestId: true,
  request: true,
};

/** @throws ClientError `invalid_spec` – names the option and says what would be right */
export const createRequest = (options: CreateOptions): MessageShape<typeof ext.CreateRequestSchema> => {
  refuseUnknown(options, Object.keys(OPTION_NAMES));
  const { restart, pull, maxRestarts, requestId, request, limits, balloon, readyWhen } = options;
  const expiry = expiryOf(options);
  const hasExpiry = Object.keys(expiry).length > 0;
  const own = create(ext.CreateRequestSchema, {
    microvm: specOf(options),
    process: processOf(options),
    ports: (options.ports ?? []).map((port, index) => portOf(port, `ports[${index}]`)),
    ...(restart === undefined ? {} : { restart: restartPolicy(restart) }),
    ...(maxRestarts === undefined ? {} : { maxRestarts: whole("maxRestarts", maxRestarts) }),
    ...(pull === undefined ? {} : { pull }),
    ...(options.protected === undefined ? {} : { protected: options.protected }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(limits === undefined ? {} : { limits: limitsOf(limits) }),
    ...(balloon === undefined ? {} : { balloonMib: balloonOf(balloon) }),
    ...(readyWhen === undefined ? {} : { readyWhen: readyWhenOf(readyWhen) }),
    ...(hasExpiry && { expiry }),
  });
  return request === undefined
    ? own
    : mergeMessages(ext.CreateRequestSchema, create(ext.CreateRequestSchema, request), own);
};

/** A misspelt option would be one that is not there. @throws ClientError `invalid_spec` */
export const refuseUnknown = (options: object, known: readonly string[]): void => {
  const odd = Object.keys(options).find((name) => !known.includes(name));
  if (odd !== undefined) throw invalidOption(odd, `no such option; there are ${known.join(", ")}`);
};

/** @throws ClientError `invalid_spec` */
export const balloonOf = (balloon: Size): number =>
  Number(balloon) === 0 ? 0 : mebibytes("balloon", balloon);

const readyWhenOf = (wish: readonly string[] | ReadyWhen) => {
  const { conditions, timeoutSeconds = 0 } = "conditions" in wish ? wish : { conditions: wish };
  return {
    conditions: [...conditions],
    timeoutSeconds: whole("readyWhen.timeoutSeconds", timeoutSeconds),
  };
};

type SpecInit = MessageInitShape<typeof types.MicroVMSpecSchema>;

const specOf = (options: CreateOptions): SpecInit => {
  const { name, namespace, labels, vcpu, memory, image, disk, provider, userData } = options;
  const hasRoot = image !== undefined || disk !== undefined;
  return {
    ...(name === undefined ? {} : { id: name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(vcpu === undefined ? {} : { vcpu: whole("vcpu", vcpu) }),
    ...(memory === undefined ? {} : { memoryInMb: mebibytes("memory", memory) }),
    ...(provider === undefined ? {} : { provider }),
    ...(userData === undefined
      ? {}
      : { metadata: { "user-data": Buffer.from(userData).toString("base64") } }),
    ...(hasRoot && {
      rootVolume: {
        id: "root",
        ...(image === undefined ? {} : { source: { containerSource: image } }),
        ...(disk === undefined ? {} : { sizeInMb: mebibytes("disk", disk) }),
      },
    }),
    additionalVolumes: (options.volumes ?? []).map(volumeOf),
  };
};

const volumeOf = ({ source, path, readOnly = false, size }: VolumeOption, index: number) => ({
  id: `volume${index + 1}`,
  isReadOnly: readOnly,
  mountPoint: path,
  source: source.startsWith("/") ? { virtiofsSource: source } : { containerSource: source },
  ...(size === undefined ? {} : { sizeInMb: mebibytes(`volumes[${index}].size`, size) }),
});

const processOf = (options: CreateOptions): MessageInitShape<typeof ext.ProcessSchema> => {
  const { command, entrypoint, env, user, cwd, tty, attach } = options;
  return {
    ...(command === undefined ? {} : { command: [...words(command)] }),
    ...(entrypoint === undefined ? {} : { setEntrypoint: true, entrypoint: [...entrypoint] }),
    ...(env === undefined ? {} : { env: { ...env } }),
    ...(user === undefined ? {} : { user }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(tty === undefined ? {} : { tty }),
    ...(attach === undefined ? {} : { attach }),
  };
};

const words = (command: string | readonly string[]): readonly string[] =>
  typeof command === "string" ? ["sh", "-c", command] : command;

const invalidOption = (field: string, problem: string): ClientError =>
  new ClientError("invalid_spec", `${field}: ${problem}`, { field });
