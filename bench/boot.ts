/**
 * Create to guest userspace, against the bare QEMU command line: the very command that our daemon used, with the same
 * kernel, initrd and arguments, on a fresh overlay of the same base. Pairs, A B A B.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createClient } from "@flintlock/client";
import { processesNaming, TestDaemon } from "../test/support/daemon.ts";
import { ms, ratio, ratios, summarise, timed } from "./stats.ts";

const run = promisify(execFile);
const POLL_MS = 2;

export const benchBoot = async (rounds: number): Promise<void> => {
  await using daemon = await TestDaemon.start();
  const client = createClient({ address: `unix://${daemon.socket}` });
  const ours: number[] = [];
  const bare: number[] = [];
  let command: BareCommand | undefined;
  // The first round warms the page cache and makes the base disk; it is not counted.
  for (let round = 0; round <= rounds; round++) {
    const created = await bootOurs(client, daemon);
    command ??= await bareCommand(created.uid, created.directory);
    await client.microvms.delete({ target: created.uid });
    await gone(created.uid);
    const bareMs = await bootBare(command);
    if (round === 0) continue;
    ours.push(created.ms);
    bare.push(bareMs);
  }
  client.close();
  if (command !== undefined) await rm(command.directory, { recursive: true });
  console.log("create to guest userspace (images cached; one guest at a time)");
  console.log(`  flintlock          ${ms(summarise(ours))}`);
  console.log(`  bare QEMU          ${ms(summarise(bare))}`);
  console.log(`  ratio              ${ratio(ratios(ours, bare))}   goal: at most 1.05`);
};

const bootOurs = async (client: ReturnType<typeof createClient>, daemon: TestDaemon) => {
  const { ms: took, value } = await timed(async () => {
    const vm = await client.microvms.create({
      microvm: { id: "", namespace: "bench", memoryInMb: 128, vcpu: 1 },
      process: { command: ["sleep", "1000"] },
    });
    const uid = vm.microvm?.spec?.uid ?? "";
    const directory = join(daemon.stateDir, "vm/bench", vm.microvm?.spec?.id ?? "", uid);
    await ready(join(directory, "status.log"));
    return { uid, directory };
  });
  return { ms: took, ...value };
};

interface BareCommand {
  readonly argv: readonly string[];
  readonly directory: string;
  /** Path of the base disk behind the overlay */
  readonly base: string;
  readonly overlay: string;
}

/** The command line of the VMM that runs, and copies of the files it names, in a directory of its own. */
const bareCommand = async (uid: string, from: string): Promise<BareCommand> => {
  const [pid] = await processesNaming(uid);
  const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
  const directory = await mkdtemp(join(tmpdir(), "flintlock-bare-"));
  const overlay = argv.join(" ").match(/[^=, ]+\.qcow2/)?.[0] ?? "";
  const name = overlay.split("/").at(-1) ?? "";
  const { stdout } = await run("qemu-img", ["info", "-U", "--output=json", join(from, name)]);
  const base: unknown = JSON.parse(stdout)["full-backing-filename"];
  await copyFile(join(from, "initrd.img"), join(directory, "initrd.img"));
  const kernel = argv[argv.indexOf("-kernel") + 1] ?? "";
  if (!kernel.startsWith("/")) await symlink(join(from, kernel), join(directory, kernel));
  return {
    argv: argv.map((arg) => arg.replaceAll(from, directory)),
    directory,
    base: String(base),
    overlay: name,
  };
};

const bootBare = async ({ argv, directory, base, overlay }: BareCommand): Promise<number> => {
  for (const file of ["status.log", "console.log", "qmp.sock", "agent.sock", "console.sock"]) {
    await rm(join(directory, file), { force: true });
  }
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, join(directory, overlay)]);
  const [file = "", ...args] = argv;
  const started = performance.now();
  const child = spawn(file, args, { cwd: directory, stdio: "ignore" });
  try {
    await ready(join(directory, "status.log"));
    return performance.now() - started;
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
};

const ready = async (path: string): Promise<void> => {
  for (let waited = 0; waited < 120_000; waited += POLL_MS) {
    if ((await readFile(path, "utf8").catch(() => "")).includes('"ready"')) return;
    await sleep(POLL_MS);
  }
  throw new Error(`no guest came up: ${path}`);
};

const gone = async (uid: string): Promise<void> => {
  for (let i = 0; i < 600 && (await processesNaming(uid)).length > 0; i++) await sleep(50);
};
