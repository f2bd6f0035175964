/** A mount of type virtiofs, from a `virtiofsd` in FLINTLOCK_VMM_DIR. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startBareGuest } from "./bare-guest.ts";
import { unpackGuestFiles } from "./guest-files.ts";

const PROGRAM = join(process.env["FLINTLOCK_VMM_DIR"] ?? "/nowhere", "virtiofsd");
const isHere = await access(PROGRAM).then(
  () => true,
  () => false,
);

const why = isHere ? "" : " (no virtiofsd in FLINTLOCK_VMM_DIR)";

test.skipIf(!isHere)(`a directory of the host's is mounted by its tag, without a device${why}`, async () => {
  const root = await mkdtemp(join(tmpdir(), "flintlock-virtiofs-"));
  const shared = join(root, "shared");
  await mkdir(shared);
  await writeFile(join(shared, "hello"), "from the host");
  const server = spawn(
    PROGRAM,
    [`--socket-path=${root}/fs.sock`, `--shared-dir=${shared}`, "--sandbox=none"],
    {
      stdio: "ignore",
    },
  );
  try {
    while (
      !(await access(join(root, "fs.sock")).then(
        () => true,
        () => false,
      ))
    )
      await sleep(50);
    await using guest = await startBareGuest({
      files: await unpackGuestFiles(root),
      root,
      script: 'cd /mnt/share && [ "$(cat hello)" = "from the host" ] && echo -n back > answer && exit 3',
      config: { mounts: [{ device: "my-tag", path: "/mnt/share", fsType: "virtiofs", isReadOnly: false }] },
      args: [
        ...["-chardev", `socket,id=fs,path=${root}/fs.sock`],
        ...["-device", "vhost-user-fs-pci,chardev=fs,tag=my-tag"],
      ],
    });
    await guest.ended();
    const { error, exitCode } = await guest.awaitStatus(
      (status) => status.exitCode !== undefined || status.error !== undefined,
    );
    expect({ error, exitCode }).toEqual({ error: undefined, exitCode: 3 });
    expect(await readFile(join(shared, "answer"), "utf8")).toBe("back");
  } finally {
    if (server.exitCode === null && server.kill()) await once(server, "exit");
    await rm(root, { recursive: true });
  }
});
