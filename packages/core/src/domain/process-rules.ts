/** Rules for what `flintlock.v1` adds to a spec: the process, its ports, and the restart policy. */
import { familyOf } from "./address.ts";
import { parseArgs, parseCwd, parseEnv, parseUser } from "./command-rules.ts";
import type { ExtensionInput, PortInput } from "./create-input.ts";
import { invalidField } from "./errors.ts";
import type { PortPublication, ProcessOverride } from "./microvm.ts";
import { parseOptionalText } from "./text-rules.ts";

const MAX_PORTS = 64;

export const parseProcess = (input: ExtensionInput | undefined): ProcessOverride => {
  if (input === undefined) return IMAGE_DEFAULT;
  return {
    command: input.command === undefined ? undefined : parseArgs(input.command, "process.command"),
    entrypoint:
      input.entrypoint === undefined ? undefined : parseArgs(input.entrypoint, "process.entrypoint"),
    env: parseEnv(input.env, "process.env"),
    user: input.user === "" ? undefined : parseUser(input.user, "process.user"),
    cwd: input.cwd === "" ? undefined : parseCwd(input.cwd, "process.cwd"),
    tty: input.tty,
    attach: input.attach,
  };
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

export const parsePorts = (inputs: readonly PortInput[]): readonly PortPublication[] => {
  if (inputs.length > MAX_PORTS) throw invalidField("ports", `at most ${MAX_PORTS} ports are possible`);
  const seen = new Set<string>();
  return inputs.map((input, index) => {
    const port = parsePort(input, `ports[${index}]`);
    const key = `${port.protocol} ${port.hostIp} ${port.hostPort}`;
    if (port.hostPort !== 0 && seen.has(key))
      throw invalidField(`ports[${index}]`, "publishes a host port twice");
    seen.add(key);
    return port;
  });
};

const parsePort = (input: PortInput, field: string): PortPublication => {
  const hostIp = input.hostIp === "" ? "127.0.0.1" : parseOptionalText(input.hostIp, `${field}.host_ip`, 45);
  if (familyOf(hostIp) === undefined)
    throw invalidField(`${field}.host_ip`, "must be an IP address of this host");
  const { protocol } = input;
  if (protocol !== "" && protocol !== "tcp" && protocol !== "udp") {
    throw invalidField(`${field}.protocol`, "must be tcp or udp");
  }
  return {
    hostIp,
    hostPort: parsePortNumber(input.hostPort, `${field}.host_port`, 0),
    guestPort: parsePortNumber(input.guestPort, `${field}.guest_port`, 1),
    protocol: protocol === "udp" ? "udp" : "tcp",
  };
};

const parsePortNumber = (value: number, field: string, min: 0 | 1): number => {
  if (Number.isInteger(value) && value >= min && value <= 65_535) return value;
  throw invalidField(field, `must be ${min} to 65535`);
};

export const parseRestart = (input: ExtensionInput | undefined): "no" | "always" => {
  if (input === undefined) return "always";
  const { restart } = input;
  if (restart === "" || restart === "no") return "no";
  if (restart === "always") return "always";
  throw invalidField("restart", "must be no or always");
};

export const parsePull = (input: ExtensionInput | undefined): "missing" | "always" | "never" => {
  const pull = input?.pull ?? "";
  if (pull === "") return "missing";
  if (pull === "missing" || pull === "always" || pull === "never") return pull;
  throw invalidField("pull", "must be missing, always or never");
};
