import { extension, NO_CHANGE, settle, World, wireInput } from "@flintlock/core/testing";
import { beforeEach, expect, test } from "vitest";
import { type Caller, hasRole, ROLES, type Role } from "../domain/caller.ts";
import type { ExecInput } from "../domain/exec-rules.ts";
import type { Image } from "../domain/image.ts";
import type { MicroVM } from "../domain/microvm.ts";
import type { ImageUseCases, ImageWithUse, UseCases } from "./api.ts";
import { authorized, ROLE_FOR } from "./authorize.ts";

const signal = new AbortController().signal;
const IMAGE = {
  reference: "example.test/root:1",
  usedBy: ["red/web", "blue/web"],
} as unknown as ImageWithUse;

const images: ImageUseCases = {
  async *pull() {
    yield { kind: "image", image: IMAGE as Image };
  },
  async *load() {
    yield { kind: "image", image: IMAGE as Image };
  },
  list: async () => [IMAGE],
  inspect: async () => IMAGE,
  remove: async () => undefined,
  prune: async () => ({ freedBytes: 1 }),
};

const host: UseCases["host"] = {
  info: async () => ({}) as Awaited<ReturnType<UseCases["host"]["info"]>>,
  async *check() {
    yield { name: "kvm", result: "ok", detail: "", hint: "", ms: 1 };
  },
};

let all: UseCases;
let red: MicroVM;
let blue: MicroVM;
beforeEach(async () => {
  const world = new World();
  const { microvms, events } = await world.daemon();
  all = { microvms, events, images, host };
  const metadata = { "user-data": "c2VjcmV0" };
  red = await microvms.create(
    wireInput({ id: "web", namespace: "red", metadata, extension: extension({ env: { KEY: "secret" } }) }),
  );
  blue = await microvms.create(wireInput({ id: "web", namespace: "blue", metadata }));
  await settle();
});

const caller = (role: Role, namespaces: Caller["namespaces"] = "all"): Caller => ({
  name: `the-${role}`,
  role,
  namespaces,
});

/** Takes one item of a stream, or awaits. */
const outcome = async (work: () => unknown): Promise<unknown> => {
  try {
    const result = work();
    if (typeof result === "object" && result !== null && Symbol.asyncIterator in result) {
      for await (const item of result as AsyncIterable<unknown>) return item;
      return "ended";
    }
    return await result;
  } catch (error) {
    return error;
  }
};

const codeOf = (result: unknown): unknown =>
  result instanceof Error && "code" in result ? result.code : "done";

const target = () => ({ target: red.uid, namespace: "" });
const command: ExecInput = {
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
const everything = {
  since: "beginning",
  filter: { namespace: "", target: "", types: [], labels: {} },
  hasSnapshot: false,
  isUntilNow: true,
} as const;
const options = { source: "console", follow: false, tail: 0, since: "" } as const;

/** Every method with arguments that would do. One that is added does not compile until it is called here. */
const CALLS = {
  microvms: {
    create: ({ microvms }) => microvms.create(wireInput({ id: "new", namespace: "red" })),
    get: ({ microvms }) => microvms.get(target()),
    getByUid: ({ microvms }) => microvms.getByUid(red.uid),
    update: ({ microvms }) => microvms.update(target(), NO_CHANGE, true),
    setLabels: ({ microvms }) => microvms.setLabels(red.uid, { tier: "back" }),
    start: ({ microvms }) => microvms.start(target()),
    stop: ({ microvms }) => microvms.stop(target(), 0),
    restart: ({ microvms }) => microvms.restart(target(), undefined),
    pause: ({ microvms }) => microvms.pause(target()),
    resume: ({ microvms }) => microvms.resume(target()),
    list: ({ microvms }) => microvms.list({ namespace: "", name: undefined, labels: {} }),
    delete: ({ microvms }) => microvms.delete(target()),
    deleteByUid: ({ microvms }) => microvms.deleteByUid(red.uid),
    watch: ({ microvms }) => microvms.watch(target(), signal),
    attach: ({ microvms }) => microvms.attach(target(), undefined, signal),
    exec: ({ microvms }) => microvms.exec(target(), command, signal),
    execByUid: ({ microvms }) => microvms.execByUid(red.uid, command, signal),
    connectByUid: ({ microvms }) => microvms.connectByUid(red.uid, 22, signal),
    forward: ({ microvms }) => microvms.forward(target(), 80, signal),
    probe: ({ microvms }) => microvms.probe(target(), { conditions: ["agent"], timeoutSeconds: 1 }, signal),
    copyOut: ({ microvms }) =>
      microvms.copyOut(target(), { path: "/", followsLink: false, isHeaderOnly: false }, signal),
    copyIn: ({ microvms }) =>
      microvms.copyIn(target(), { path: "/", keepsOwners: false }, (async function* () {})(), signal),
    console: ({ microvms }) => microvms.console(target(), signal),
    logs: ({ microvms }) => microvms.logs(target(), options, signal),
    stats: ({ microvms }) => microvms.stats(target(), signal),
    measure: ({ microvms }) => microvms.measure([red.uid], "all", signal),
  },
  events: { watch: ({ events }) => events.watch(everything, signal) },
  images: {
    pull: (it) => it.images.pull("example.test/root:1", "", signal),
    load: (it) => it.images.load("", (async function* () {})(), signal),
    list: (it) => it.images.list(),
    inspect: (it) => it.images.inspect("example.test/root:1"),
    remove: (it) => it.images.remove("example.test/root:1"),
    prune: (it) => it.images.prune(),
  },
  host: { info: (it) => it.host.info(), check: (it) => it.host.check(signal) },
} as const satisfies {
  readonly [Part in keyof UseCases]: Readonly<Record<keyof UseCases[Part], (useCases: UseCases) => unknown>>;
};

const table = Object.entries(CALLS).flatMap(([part, calls]) =>
  Object.entries(calls).map(([name, call]) => {
    const roles: Readonly<Record<string, Readonly<Record<string, Role>>>> = ROLE_FOR;
    const needed = roles[part]?.[name];
    if (needed === undefined) throw new Error(`${part}.${name} has no role`);
    return { operation: `${part}.${name}`, call: call as (useCases: UseCases) => unknown, needed };
  }),
);

test.each(table.flatMap((row) => ROLES.map((role) => ({ ...row, role }))))(
  "$operation needs $needed: a $role is answered accordingly",
  async ({ call, needed, role }) => {
    const code = codeOf(await outcome(() => call(authorized(all, caller(role)))));
    if (hasRole(caller(role), needed)) expect(code).not.toBe("permission_denied");
    else expect(code).toBe("permission_denied");
  },
);

test.each(
  table.filter(({ operation }) =>
    /^microvms\.(get|getByUid|update|setLabels|delete|deleteByUid|watch|attach|exec|execByUid|connectByUid|forward|copyOut|copyIn|console|logs|stats)$/.test(
      operation,
    ),
  ),
)(
  "$operation of another namespace's microVM is answered as one of a uid that nobody has",
  async ({ call }) => {
    const result = await outcome(() => call(authorized(all, caller("admin", ["blue"]))));
    expect(codeOf(result)).toBe("not_found");
    expect((result as Error).message).toBe(`microvm ${red.uid} not found`);
    expect((await all.microvms.getByUid(red.uid)).deletedAt).toBeUndefined();
  },
);

test.each(["images.remove", "images.prune", "host.check"])(
  "%s is refused to an admin of some namespaces: it concerns all",
  async (operation) => {
    const row = table.find((one) => one.operation === operation);
    const result = await outcome(() => row?.call(authorized(all, caller("admin", ["red", "blue"]))));
    expect(codeOf(result)).toBe("permission_denied");
  },
);

test("a name that two namespaces use means the one the caller can see", async () => {
  const { microvms } = authorized(all, caller("operator", ["blue"]));
  expect((await microvms.get({ target: "web", namespace: "" })).uid).toBe(blue.uid);
  expect((await microvms.get({ target: blue.uid.slice(0, 24), namespace: "" })).namespace).toBe("blue");
  const code = codeOf(await outcome(() => microvms.get({ target: "red/web", namespace: "" })));
  expect(code).toBe("not_found");
});

test("lists, and the users of an image, leave out what may not be seen", async () => {
  const { microvms, images: own } = authorized(all, caller("viewer", ["blue", "green"]));
  const everything = { namespace: "", name: undefined, labels: {} };
  expect((await microvms.list(everything)).map(({ uid }) => uid)).toEqual([blue.uid]);
  expect(await microvms.list({ ...everything, namespace: "red" })).toEqual([]);
  const measured = await microvms.measure([red.uid, blue.uid], "all", signal);
  expect(measured.map(({ uid }) => uid)).toEqual([blue.uid]);
  expect((await own.list()).map(({ usedBy }) => usedBy)).toEqual([["blue/web"]]);
  expect((await own.inspect("x")).usedBy).toEqual(["blue/web"]);
});

test("creating elsewhere is refused, and so is the default namespace to who has not got it", async () => {
  const { microvms } = authorized(all, caller("operator", ["red"]));
  for (const namespace of ["blue", "", "RED", "red/../blue"]) {
    const result = await outcome(() => microvms.create(wireInput({ id: "x", namespace })));
    expect([namespace, codeOf(result)]).toEqual([namespace, "permission_denied"]);
  }
  const made = await microvms.create(wireInput({ id: "x", namespace: "red" }));
  expect(made.createdBy).toBe("the-operator");
});

test("viewers see the keys of metadata and environment, the others the values too", async () => {
  const seen = async (role: Role): Promise<readonly MicroVM[]> => {
    const { microvms } = authorized(all, caller(role, ["red"]));
    const [listed] = await microvms.list({ namespace: "red", name: undefined, labels: {} });
    const watched = await outcome(() => microvms.watch(target(), signal));
    return [await microvms.get(target()), await microvms.getByUid(red.uid), listed, watched] as MicroVM[];
  };
  for (const { spec } of await seen("viewer")) {
    expect([spec.metadata["user-data"], spec.process.env]).toEqual(["", { KEY: "" }]);
    expect(JSON.stringify(spec)).not.toMatch(/c2VjcmV0|secret/);
  }
  for (const { spec } of await seen("operator")) expect(spec.metadata["user-data"]).toBe("c2VjcmV0");
});
