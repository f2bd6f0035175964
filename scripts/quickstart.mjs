/**
 * `npm run quickstart`: from a clone to a command in a microVM, and nothing left behind. Installs missing system packages (as
 * root; otherwise it prints the one command to run), builds the guest images, starts a daemon of its own in a temporary
 * directory, boots, runs, and shows where the time went.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = resolve(import.meta.dirname, "..");
const FLINTLOCK = join(ROOT, "packages/cli/bin/flintlock.js");
const FLINTLOCKD = join(ROOT, "packages/daemon/bin/flintlockd.js");
const COMMAND = 'echo "hello from a microVM, kernel $(uname -r), $(nproc) CPU, pid $$"';
const WORDS = {
  pullImage: "images into the store",
  prepareVolume: "layers to a disk",
  bootMachine: "boot, until the guest is ready",
};
const rows = [];
const began = Date.now();

measured("system packages", () => must("scripts/system-packages.sh", []));
measured("guest images", () => must(process.execPath, ["scripts/guest-images.mjs"]));

const scratch = mkdtempSync(join(tmpdir(), "flintlock-quickstart-"));
const socket = join(scratch, "run/flintlockd.sock");
const daemon = spawn(
  process.execPath,
  [FLINTLOCKD, "run", "--socket", socket, "--state-dir", join(scratch, "state"), "--log-level", "warn"],
  // Its own process group: Ctrl-C is for us, and we still need it to remove the VM.
  { stdio: ["ignore", "ignore", "inherit"], detached: true },
);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => end(130));
try {
  const before = Date.now();
  await listening();
  rows.push(["daemon start", Date.now() - before]);

  const runBegan = Date.now();
  const run = flintlock(["run", "--name", "quickstart", "--", "sh", "-c", COMMAND], "inherit");
  const runMs = Date.now() - runBegan;
  if (run.status !== 0) throw new Error(`flintlock run ended with ${run.status}`);
  rows.push(...stepsOf("quickstart"), ["flintlock run, as a whole", runMs]);
  flintlock(["rm", "--force", "quickstart"], "pipe");
  printTable();
  await end(0);
} catch (error) {
  console.error(`quickstart: ${error.message}`);
  await end(1);
}

function must(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", cwd: ROOT });
  if (status !== 0) {
    if (error) console.error(`quickstart: ${error.message}`);
    process.exit(status ?? 1);
  }
}

function measured(name, work) {
  const before = Date.now();
  work();
  rows.push([name, Date.now() - before]);
}

function flintlock(args, stdout) {
  return spawnSync(process.execPath, [FLINTLOCK, "-H", `unix://${socket}`, ...args], {
    stdio: ["ignore", stdout, stdout === "inherit" ? "inherit" : "ignore"],
    encoding: "utf8",
  });
}

/** What the daemon noted of each step. */
function stepsOf(name) {
  const { stdout, status } = flintlock(["inspect", name, "-o", "json"], "pipe");
  if (status !== 0) return [];
  const [{ timings = [] }] = JSON.parse(stdout);
  return timings.map(({ step, ms }) => [`  ${WORDS[step] ?? step}`, ms]);
}

function printTable() {
  const total = Date.now() - began;
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  console.log("\nwhere the time went");
  for (const [name, ms] of [...rows, ["in all", total]]) {
    console.log(`  ${name.padEnd(width)}${`${(ms / 1000).toFixed(2)} s`.padStart(9)}`);
  }
  const accelerator = join(scratch, "state/accelerator.json");
  if (existsSync(accelerator) && /"tcg"/.test(readFileSync(accelerator, "utf8"))) {
    console.log(
      "\n  KVM does not work here, so the guest's processor was emulated: with KVM it boots far faster.",
    );
  }
  console.log("\nnext: npx flintlock run -- uname -a      npx flintlock --help");
}

async function listening() {
  for (let i = 0; i < 600; i++) {
    if (daemon.exitCode !== null) throw new Error("flintlockd does not start");
    if (await answers()) return;
    await sleep(25);
  }
  throw new Error("flintlockd does not answer");
}

function answers() {
  return new Promise((done) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      done(true);
    });
    probe.once("error", () => done(false));
  });
}

/** Deletes what is left of the VM, stops the daemon, removes the directory. */
async function end(code) {
  if (daemon.exitCode === null && daemon.signalCode === null) {
    if (existsSync(socket)) flintlock(["rm", "--force", "--ignore-missing", "quickstart"], "pipe");
    const gone = new Promise((done) => daemon.once("exit", done));
    daemon.kill("SIGTERM");
    await gone;
  }
  rmSync(scratch, { recursive: true, force: true });
  process.exit(code);
}
