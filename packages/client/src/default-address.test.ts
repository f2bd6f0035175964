import { expect, test } from "vitest";
import { defaultAddress, defaultSocketPath, ownsDirectory } from "./default-address.ts";

const yes = () => true;
const no = () => false;

test("root's socket is in /run, whatever the environment says", () => {
  expect(defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/1000" }, 0, yes, "/root")).toBe(
    "/run/flintlock/flintlockd.sock",
  );
});

test("a user's socket is in the runtime directory when it is theirs", () => {
  const env = { XDG_RUNTIME_DIR: "/run/user/1000", HOME: "/home/ada" };
  expect(defaultSocketPath(env, 1000, yes, "/nowhere")).toBe("/run/user/1000/flintlock/flintlockd.sock");
});

test("a runtime directory of somebody else, a relative one or none leads to the home directory", () => {
  const home = "/home/ada/.local/state/flintlock/flintlockd.sock";
  expect(defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/0", HOME: "/home/ada" }, 1000, no, "/x")).toBe(home);
  expect(defaultSocketPath({ XDG_RUNTIME_DIR: "run", HOME: "/home/ada" }, 1000, yes, "/x")).toBe(home);
  expect(defaultSocketPath({ HOME: "/home/ada" }, 1000, yes, "/x")).toBe(home);
  expect(defaultSocketPath({}, 1000, yes, "/home/ada")).toBe(home);
});

test("ownership is asked of the file system, and a missing directory is nobody's", () => {
  const uid = process.getuid?.() ?? 0;
  expect(ownsDirectory(uid + 1)("/")).toBe(uid === -1);
  expect(ownsDirectory(uid)("/no/such/directory")).toBe(false);
});

test("FLINTLOCK_HOST wins, and an empty one counts as unset", () => {
  expect(defaultAddress({ FLINTLOCK_HOST: "host:9090" })).toBe("host:9090");
  expect(defaultAddress({ FLINTLOCK_HOST: "" })).toMatch(/^unix:\/\/\/.*flintlockd\.sock$/);
});
