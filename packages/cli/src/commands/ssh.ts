import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ext } from "@flintlock/client";
import { CliError, codeOf, usageError } from "../cli-error.ts";
import { keepSeparator, runTarget } from "../command-separator.ts";
import { explicitAddress } from "../connect.ts";
import type { Context } from "../context.ts";
import { EXIT, exitCodeOfSignal } from "../exit-codes.ts";
import { nameOf, uidOf } from "../microvm-view.ts";
import { type SshTarget, sshAlias, sshConfig, sshOptions } from "../ssh-options.ts";
import { collect, type Verb } from "../verb.ts";

interface SshFlags {
  readonly user: string;
  readonly identity?: string;
  readonly option?: readonly string[];
  readonly config?: boolean;
}

export const ssh: Verb = {
  failureCode: EXIT.notRun,

  configure: (command) => {
    command
      .usage("[flags] TARGET [--] [CMD…]\n       flintlock ssh [flags] --config [TARGET…]")
      .argument("[target]", "name, uid or unique prefix of a uid")
      .argument("[command...]", "in the guest; a login shell when there is none")
      .passThroughOptions();
    keepSeparator(command);
    command
      .option("-u, --user <user>", "user in the guest", "root")
      .option("-i, --identity <file>", "private key")
      .option("--option <K=V>", "of ssh itself, as its -o", collect)
      .option("--config", "print an ssh_config instead; of all that run when none is named");
  },

  run: async (context, command) => {
    const { user, identity, option = [], config } = command.opts<SshFlags>();
    const { image: target = "", command: words } = runTarget(command.args);
    if (config === true) {
      const names = [target, ...words].filter((name) => name !== "");
      const targets = await found(context, names, user);
      await context.print(targets.map(sshConfig).join("\n"));
      return EXIT.success;
    }
    if (target === "") throw usageError("no microVM was named", "flintlock ssh NAME");
    const [to] = await found(context, [target], user);
    if (to === undefined) throw new CliError("not_found", `microVM ${target} not found`);
    const options = [...sshOptions(to).map(([key, value]) => `${key}=${value}`), ...option];
    const args = [
      ...options.flatMap((each) => ["-o", each]),
      ...(identity === undefined ? [] : ["-i", identity]),
      sshAlias(to),
      ...(words.length === 0 ? [] : ["--", ...words]),
    ];
    return runSsh(context, args);
  },
};

/** Of those named, or of all that run. */
const found = async (
  context: Context,
  names: readonly string[],
  user: string,
): Promise<readonly SshTarget[]> => {
  const { globals, signal, io } = context;
  const { namespace } = globals;
  const client = await context.connect();
  const vms =
    names.length > 0
      ? await Promise.all(names.map((target) => client.microvms.get({ target, namespace }, { signal })))
      : (await client.microvms.list({ namespace, states: [ext.State.RUNNING] }, { signal })).microvms;
  const address = explicitAddress(io, globals);
  const program = [...ownProgram(), ...(address === undefined ? [] : ["-H", absolute(address)])];
  const state = io.env["XDG_STATE_HOME"]?.startsWith("/")
    ? io.env["XDG_STATE_HOME"]
    : join(io.env["HOME"] || homedir(), ".local/state");
  const knownHosts = join(state, "flintlock/ssh_known_hosts");
  // ssh makes the file, not what is above it.
  await mkdir(dirname(knownHosts), { recursive: true, mode: 0o700 });
  return vms.map((vm) => ({ name: nameOf(vm), uid: uidOf(vm), user, program, knownHosts }));
};

/** By paths that hold wherever ssh is called. */
const ownProgram = (): readonly string[] => [process.execPath, realpathSync(process.argv[1] ?? "")];

const absolute = (address: string): string =>
  address.replace(/^unix:(?:\/\/)?([^/].*)$/, (_, path: string) => `unix://${resolve(path)}`);

/** Its standard streams and its exit code are ours. */
const runSsh = (context: Context, args: readonly string[]): Promise<number> =>
  new Promise((done, reject) => {
    const { signal, interrupts } = context;
    const child = spawn("ssh", args, { stdio: "inherit" });
    const restore = interrupts.takeOver((name) => child.kill(`SIG${name}`));
    const onAbort = (): void => void child.kill("SIGTERM");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const settle = (): void => {
      restore();
      signal.removeEventListener("abort", onAbort);
    };
    child.once("error", (cause) => {
      settle();
      const isMissing = codeOf(cause) === "ENOENT";
      reject(
        new CliError("unsupported", isMissing ? "there is no ssh here" : "ssh cannot be started", {
          why: isMissing ? undefined : cause.message,
          hint: "install OpenSSH's client, or use flintlock shell",
          cause,
        }),
      );
    });
    child.once("close", (code, name) => {
      settle();
      if (signal.aborted) reject(signal.reason);
      else done(code ?? exitCodeOfSignal((name ?? "").replace(/^SIG/, "")));
    });
  });
