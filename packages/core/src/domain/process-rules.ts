/** Rules for what `flintlock.v1` adds to a spec: the process, its ports, and the restart policy. */
import { familyOf } from "./address.ts";
import type { ExtensionInput, PortInput } from "./create-input.ts";
import { invalidField } from "./errors.ts";
import {
  type PortPublication,
  type ProcessOverride,
  RESTART_POLICIES,
  type RestartPolicy,
} from "./microvm.ts";
import { parseWhole } from "./number-rules.ts";
import { REQUEST_FIELDS } from "./request-fields.ts";
import { parseForm, parseText, parseTextMap } from "./text-rules.ts";
import { parseAll, parseEach } from "./violations.ts";

export const parseProcess = (input: ExtensionInput | undefined): ProcessOverride => {
  if (input === undefined) return IMAGE_DEFAULT;
  const { command, entrypoint, env, user, cwd, tty, attach } = input;
  return parseAll<ProcessOverride>({
    command: () => (command === undefined ? undefined : parseArgs(command, "process.command")),
    entrypoint: () => (entrypoint === undefined ? undefined : parseArgs(entrypoint, "process.entrypoint")),
    env: () => parseTextMap(env, "process.env", REQUEST_FIELDS["process.env"], parseArgument),
    user: () => (user === "" ? undefined : parsePlain(user, "process.user")),
    cwd: () => (cwd === "" ? undefined : parsePlain(cwd, "process.cwd")),
    tty: () => tty,
    attach: () => attach,
  });
};

/** v1alpha1 has no process: the image decides, and output goes to the console. */
const IMAGE_DEFAULT: ProcessOverride = {
  command: undefined,
  entrypoint: undefined,
  env: {},
  user: undefined,
  cwd: undefined,
  tty: false,
  attach: false,
};

const parseArgs = (
  args: readonly string[],
  field: "process.command" | "process.entrypoint",
): readonly string[] => {
  const { maxItems } = REQUEST_FIELDS[field];
  if (args.length > maxItems) throw invalidField(field, `at most ${maxItems} arguments are possible`);
  return parseEach(args, (arg, index) => parseArgument(arg, `${field}[${index}]`));
};

const ARGUMENT = REQUEST_FIELDS["process.command"].item;

/** Anything but a zero byte; what it is, is not repeated: environments hold secrets. */
const parseArgument = (text: string, field: string): string => {
  if (text.length <= ARGUMENT.maxLength && ARGUMENT.pattern.test(text)) return text;
  throw invalidField(field, `must be at most ${ARGUMENT.maxLength} ${ARGUMENT.form}`);
};

const parsePlain = (text: string, field: "process.user" | "process.cwd"): string =>
  parseForm(parseText(text, field, REQUEST_FIELDS[field]), field, REQUEST_FIELDS[field]);

/** `field`: what they are called in the request. `present`: those that they come to. */
export const parsePorts = (
  inputs: readonly PortInput[],
  field = "ports",
  present: readonly PortPublication[] = [],
): readonly PortPublication[] => {
  const { maxItems } = REQUEST_FIELDS.ports;
  if (inputs.length + present.length > maxItems)
    throw invalidField(field, `at most ${maxItems} ports are possible`);
  const seen = new Set(present.map(listenerOf));
  return parseEach(inputs, (input, index) => {
    const port = parsePort(input, `${field}[${index}]`);
    const key = listenerOf(port);
    if (port.hostPort !== 0 && seen.has(key))
      throw invalidField(`${field}[${index}]`, "publishes a host port twice");
    seen.add(key);
    return port;
  });
};

/** What of the host a publication takes. */
export const listenerOf = ({ protocol, hostIp, hostPort }: PortPublication): string =>
  `${protocol} ${hostIp} ${hostPort}`;

const parsePort = (input: PortInput, field: string): PortPublication =>
  parseAll<PortPublication>({
    hostIp: () => parseHostIp(input.hostIp || REQUEST_FIELDS["ports[].host_ip"].default, `${field}.host_ip`),
    hostPort: () => parsePortNumber(input.hostPort, field, "host_port"),
    guestPort: () => parsePortNumber(input.guestPort, field, "guest_port"),
    protocol: () =>
      parseWord(input.protocol, `${field}.protocol`, REQUEST_FIELDS["ports[].protocol"].values) ??
      REQUEST_FIELDS["ports[].protocol"].default,
  });

const parseHostIp = (text: string, field: string): string => {
  if (familyOf(text) !== undefined) return text;
  throw invalidField(field, "must be an IP address of this host");
};

const parsePortNumber = (value: number, field: string, name: "host_port" | "guest_port"): number => {
  const { min, max } = REQUEST_FIELDS[`ports[].${name}`];
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidField(`${field}.${name}`, `must be ${min} to ${max}`);
};

/** One of `words`; undefined for the empty text. */
const parseWord = <W extends string>(text: string, field: string, words: readonly W[]): W | undefined => {
  if (text === "") return undefined;
  const word = words.find((each) => each === text);
  if (word !== undefined) return word;
  throw invalidField(field, `must be ${words.join(" or ")}`);
};

/** COMPAT: upstream starts again whatever ends. */
export const parseRestart = (input: Pick<ExtensionInput, "restart"> | undefined): RestartPolicy =>
  input === undefined ? "always" : (parseWord(input.restart, "restart", RESTART_POLICIES) ?? "no");

export const parseMaxRestarts = (
  input: Pick<ExtensionInput, "restart" | "maxRestarts"> | undefined,
): number | undefined => {
  const { maxRestarts = 0, restart = "" } = input ?? {};
  if (maxRestarts !== 0 && restart !== "on-failure") {
    throw invalidField("max_restarts", "goes with restart on-failure alone");
  }
  return parseWhole(maxRestarts, "max_restarts", { ...REQUEST_FIELDS.max_restarts, default: undefined });
};

export const parsePull = (input: ExtensionInput | undefined): "missing" | "always" | "never" =>
  parseWord(input?.pull ?? "", "pull", REQUEST_FIELDS.pull.values) ?? REQUEST_FIELDS.pull.default;
