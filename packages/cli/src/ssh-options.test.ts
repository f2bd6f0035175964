import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { sshConfig, sshOptions } from "./ssh-options.ts";

const target = {
  name: "web",
  uid: "01JD0000000000000000000001",
  user: "root",
  program: ["/usr/bin/node", "/opt/it's 100% mine/flintlock.js", "-H", "unix:///run/x.sock"],
  knownHosts: "/home/a b/50%/ssh_known_hosts",
};

test("ssh itself reads the configuration as it was meant", async () => {
  const root = await mkdtemp(join(tmpdir(), "ssh-"));
  try {
    await writeFile(join(root, "config"), sshConfig(target));
    const run = promisify(execFile);
    const lines = async (...args: readonly string[]) =>
      (await run("ssh", ["-G", ...args, "flintlock-web"])).stdout.split("\n");
    const byFile = await lines("-F", join(root, "config"));
    const options = sshOptions(target).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    const byFlags = await lines("-F", "none", ...options);
    for (const told of [byFile, byFlags]) {
      expect(told).toEqual(
        expect.arrayContaining([
          "user root",
          "hostkeyalias flintlock-01jd0000000000000000000001",
          "stricthostkeychecking accept-new",
          "checkhostip no",
          "userknownhostsfile /home/a b/50%/ssh_known_hosts",
          String.raw`proxycommand /usr/bin/node '/opt/it'\''s 100%% mine/flintlock.js' -H unix:///run/x.sock port-forward --stdio 01JD0000000000000000000001 22`,
        ]),
      );
    }
  } finally {
    await rm(root, { recursive: true });
  }
});

test("one that is made anew under the same name has a host key of its own", () => {
  const again = { ...target, uid: "01JD0000000000000000000002" };
  const alias = (of: typeof target) => sshOptions(of).find(([key]) => key === "HostKeyAlias");
  expect(alias(again)).not.toEqual(alias(target));
  expect(sshConfig(again).split("\n")[0]).toBe("Host flintlock-web");
});
