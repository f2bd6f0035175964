/** The SDK where no daemon runs: it starts this user's, and starts it again when it has died. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, runProgram } from "../support/daemon.ts";

const PROGRAM = `
import { connect } from "@flintlock/client";
const flintlock = connect();
const { pid } = await flintlock.info();
const vm = await flintlock.run({ memory: "128M" });
process.kill(pid, "SIGKILL");
await vm.refresh();
const { pid: next } = await flintlock.info();
console.log(next === pid ? "the same" : "another", vm.state, (await vm.exec("echo still here")).stdout.trim());
await vm.delete();
process.kill(next, "SIGTERM");
while (isAlive(next)) await new Promise((resolve) => setTimeout(resolve, 20));
const away = connect({ startDaemon: false });
console.log(await away.info().catch(({ code }) => code));

function isAlive(pid) {
  try { return process.kill(pid, 0); } catch { return false; }
}
`;

/** Root's daemon has its places in the system: here they are a mount namespace's own. */
const AS_ROOT = 'mount --bind "$0/run" /run && mount --bind "$0/lib" /var/lib && exec "$@"';

test("the first call starts a daemon, a later one starts it again, and its guests live on", async () => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-sdk-"));
  try {
    await Promise.all(
      ["run", "lib", "node_modules/@flintlock"].map((name) =>
        mkdir(join(directory, name), { recursive: true }),
      ),
    );
    await symlink(join(ROOT, "packages/client"), join(directory, "node_modules/@flintlock/client"));
    const file = join(directory, "program.mjs");
    await writeFile(file, PROGRAM);
    const isRoot = process.geteuid?.() === 0;
    const prefix = isRoot ? ["unshare", "--mount", "sh", "-c", AS_ROOT, directory] : [];
    const [program = "", ...args] = [...prefix, process.execPath, file];
    const env = { HOME: directory, XDG_RUNTIME_DIR: "", FLINTLOCK_HOST: "" };
    expect(await runProgram(program, args, { env, cwd: directory })).toEqual({
      code: 0,
      stdout: "another running still here\nunavailable\n",
      stderr: "",
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});
