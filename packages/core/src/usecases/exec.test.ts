import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { FlintlockError } from "../domain/errors.ts";
import type { ExecInput } from "../domain/exec-rules.ts";
import { SSH_PORT } from "../ports/guest-sessions.ts";

const TRUE: ExecInput = {
  cmd: "true",
  args: [],
  cwd: "",
  env: {},
  isShell: false,
  user: "",
  timeoutSeconds: 0,
  hasStdin: false,
  terminal: undefined,
};
const signal = new AbortController().signal;
/** The simulated provider's own words: the rules let the call through. */
const REACHED = { code: "unavailable", message: "a simulated guest has no agent" };

test("a microVM that nobody has is not found", async () => {
  const { microvms } = await new World().daemon();
  for (const uid of ["nonsense", "01JD0000000000000000000009"]) {
    const missing = { code: "not_found", message: expect.stringContaining("not found") };
    await expect(microvms.execByUid(uid, TRUE, signal)).rejects.toMatchObject(missing);
    await expect(microvms.connectByUid(uid, SSH_PORT, signal)).rejects.toMatchObject(missing);
  }
});

test("without allow_guest_agent upstream's services are closed, and ours is open", async () => {
  const { microvms } = await new World().daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  const refused = {
    code: "failed_precondition",
    message: "microvm was not created with guest agent access enabled",
  };
  await expect(microvms.execByUid(uid, TRUE, signal)).rejects.toMatchObject(refused);
  await expect(microvms.connectByUid(uid, SSH_PORT, signal)).rejects.toMatchObject(refused);
  await expect(microvms.exec({ target: uid, namespace: "" }, TRUE, signal)).rejects.toMatchObject(REACHED);
});

test("upstream's services want the state created, and say which one it is", async () => {
  const world = new World();
  world.provider.script.bootMs = 1000;
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ allowGuestAgent: true }));
  await settle();
  const pending = { code: "failed_precondition", message: "microvm is not ready (state: pending)" };
  await expect(microvms.execByUid(uid, TRUE, signal)).rejects.toMatchObject(pending);
  await expect(microvms.connectByUid(uid, SSH_PORT, signal)).rejects.toMatchObject(pending);
  const ours = microvms.exec({ target: uid, namespace: "" }, TRUE, signal);
  const outcome = expect(ours).rejects.toMatchObject(REACHED);

  world.clock.advance(1000);
  await settle();
  await outcome;
  await expect(microvms.execByUid(uid, TRUE, signal)).rejects.toMatchObject(REACHED);
  await expect(microvms.connectByUid(uid, SSH_PORT, signal)).rejects.toMatchObject(REACHED);
});

test("a guest that has ended runs nothing", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ allowGuestAgent: true, extension: extension() }));
  await settle();
  world.provider.end(uid, 0);
  await settle();
  const ended = { code: "failed_precondition", message: "microvm is not ready (state: exited)" };
  await expect(microvms.execByUid(uid, TRUE, signal)).rejects.toMatchObject(ended);
  await expect(microvms.exec({ target: uid, namespace: "" }, TRUE, signal)).rejects.toMatchObject(ended);
});

test("a command that breaks a rule is refused before the guest is asked", async () => {
  const { microvms } = await new World().daemon();
  const { uid } = await microvms.create(wireInput({ allowGuestAgent: true }));
  await settle();
  const invalid = { code: "invalid_spec", detail: { field: "start.cwd" } };
  const input = { ...TRUE, cwd: "relative" };
  await expect(microvms.execByUid(uid, input, signal)).rejects.toMatchObject(invalid);
  await expect(microvms.exec({ target: uid, namespace: "" }, input, signal)).rejects.toMatchObject(invalid);
});

test.each([
  ["upstream's agent", []],
  ["ours", ["tty", "signal"]],
])("a terminal and a signal are refused where the agent would overlook them: %s", async (_, has) => {
  const world = new World();
  const stream = { bytes: none(), write: nothing, end: nothing, [Symbol.asyncDispose]: nothing };
  world.provider.connect = async () => stream;
  const signals: string[] = [];
  const session = { output: none(), stdin: nothing, endStdin: nothing, resize: nothing, ...stream };
  world.sessions = {
    ...world.sessions,
    extensions: async () => new Set(has),
    exec: async () => ({ ...session, signal: async (name) => void signals.push(name) }),
  };
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ allowGuestAgent: true }));
  await settle();
  const unsupported = { code: "unsupported", message: expect.stringContaining("the guest's agent") };
  const plain = await microvms.execByUid(uid, TRUE, signal);
  const withTerminal = microvms.execByUid(uid, { ...TRUE, terminal: { rows: 2, columns: 3 } }, signal);
  if (has.length === 0) {
    await expect(withTerminal).rejects.toMatchObject(unsupported);
    await expect(plain.signal("INT")).rejects.toMatchObject(unsupported);
    expect(signals).toEqual([]);
  } else {
    await withTerminal;
    await plain.signal("INT");
    expect(signals).toEqual(["INT"]);
  }
});

test.each([
  ["upstream's agent", [], "unsupported"],
  ["ours", ["attach"], "unavailable"],
])("a session that ends before its first word was refused, or broke: %s", async (_, has, code) => {
  const world = new World();
  const stream = { bytes: none(), write: nothing, end: nothing, [Symbol.asyncDispose]: nothing };
  world.provider.connect = async () => stream;
  const gone = async function* (): AsyncGenerator<never> {
    yield await Promise.reject(new FlintlockError("unavailable", "no longer connected"));
  };
  const session = { stdin: nothing, endStdin: nothing, resize: nothing, signal: nothing, ...stream };
  world.sessions = {
    ...world.sessions,
    extensions: async () => new Set(has),
    attach: async () => ({ ...session, output: gone() }),
  };
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  const { output } = await microvms.attach({ target: uid, namespace: "" }, undefined, signal);
  await expect(output[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
});

const nothing = async (): Promise<void> => {};
const none = async function* (): AsyncGenerator<never> {};
