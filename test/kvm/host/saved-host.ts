/** The KVM host as it is saved: made once from apt packages, booted once, kept in the user's cache. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { openQmp } from "../../../packages/daemon/src/adapters/providers/qemu/qmp.ts";
import { connectIn } from "../../../packages/daemon/src/adapters/providers/shared/directory-socket.ts";
import { machineArgs } from "./machine.ts";

const run = promisify(execFile);

export const QEMU = "qemu-system-x86_64";
/** Debian's release */
const SUITE = "bookworm";
const SOURCES = ["rootfs.sh", "init.sh", "machine.ts"];
const BOOT_DEADLINE_MS = 180_000;
const SAVE_DEADLINE_MS = 120_000;

/** The directory with the saved host's files; a change of ours, of Node.js or of QEMU makes a new one. */
export const savedHost = async (): Promise<string> => {
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "flintlock", "kvm-host");
  const name = await digest();
  const ready = join(cache, name);
  const isThere = await access(ready).then(
    () => true,
    () => false,
  );
  if (isThere) return ready;
  if (process.getuid?.() !== 0) throw new Error("the KVM host can only be made as root");
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "new-"));
  try {
    console.error("kvm-host: making a Debian from apt packages: a few minutes");
    await run(join(import.meta.dirname, "rootfs.sh"), [SUITE, work, process.execPath]);
    // The disk of the saved machine is what it wrote, on top of the one it booted from.
    const overlay = ["-f", "qcow2", "-F", "raw", "-b", "root.ext4", join(work, "root.qcow2")];
    await run("qemu-img", ["create", "-q", ...overlay]);
    console.error("kvm-host: booting it once");
    await bootAndSave(work);
    await rename(work, ready);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const others = (await readdir(cache)).filter((other) => other !== name && !other.startsWith("new-"));
  for (const other of others) await rm(join(cache, other), { recursive: true });
  return ready;
};

const digest = async (): Promise<string> => {
  const hash = createHash("sha256")
    .update(process.version)
    .update((await run(QEMU, ["--version"])).stdout);
  for (const source of SOURCES) hash.update(await readFile(join(import.meta.dirname, source)));
  return hash.digest("hex").slice(0, 16);
};

const bootAndSave = async (work: string): Promise<void> => {
  const shares = { job: work, checkout: work, vmm: work };
  const disk = `file=${join(work, "root.qcow2")},format=qcow2`;
  const console_ = join(work, "console.log");
  const qmp = ["-qmp", `unix:${join(work, "qmp")},server=on,wait=off`, "-serial", `file:${console_}`];
  const child = spawn(QEMU, [...machineArgs(work, shares, disk), ...qmp], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await said(child, "ready", AbortSignal.timeout(BOOT_DEADLINE_MS));
    await save(work, AbortSignal.timeout(SAVE_DEADLINE_MS));
    await once(child, "close", { signal: AbortSignal.timeout(SAVE_DEADLINE_MS) });
  } catch (cause) {
    const last = (await readFile(console_, "utf8").catch(() => "")).slice(-2000);
    throw new Error(`the KVM host does not get ready: ${String(cause)}\n${last}`);
  } finally {
    child.kill("SIGKILL");
  }
};

const said = async (child: ChildProcess, word: string, signal: AbortSignal): Promise<void> => {
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  while (!text.includes(word)) {
    if (child.exitCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`);
    await sleep(100, undefined, { signal });
  }
};

const save = async (work: string, signal: AbortSignal): Promise<void> => {
  await using qmp = await openQmp(await connectIn(work, "qmp", signal), signal, SAVE_DEADLINE_MS);
  await qmp.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 34 });
  await qmp.execute("migrate", { uri: `exec:zstd -q -f -o '${join(work, "state.zst")}'` });
  for (;;) {
    const { status } = (await qmp.execute("query-migrate")) as { status?: string };
    if (status === "completed") break;
    if (status === "failed") throw new Error("QEMU cannot save the machine");
    await sleep(100, undefined, { signal });
  }
  // QEMU may end before it has answered.
  await qmp.execute("quit").catch(() => undefined);
};
