import { ext, Host, Images, wire } from "@flintlock/api";
import { familyOf, parseCidr, parseReference } from "@flintlock/core";
import { describe, expect, test } from "vitest";
import { routesOf } from "../http/router.ts";
import type { BoundMethod, BoundService } from "../service.ts";
import { openapiOf } from "./openapi.ts";
import { GRAMMARS } from "./patterns.ts";

/** Routing looks at descriptors alone. */
const routes = [wire.MicroVM, ext.MicroVMs, Images, Host].flatMap((desc) =>
  routesOf({
    desc: desc as unknown as BoundService["desc"],
    methods: desc.methods.map(
      (method) => ({ kind: method.methodKind, desc: method, handler: undefined }) as unknown as BoundMethod,
    ),
  }),
);

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Schema {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const documentFor = (bounds: Parameters<typeof openapiOf>[1]): Document =>
  JSON.parse(JSON.stringify(openapiOf(routes, bounds)));
const document = documentFor(undefined);
const operations = Object.entries(document.paths).flatMap(([path, verbs]) =>
  Object.entries(verbs).map(([verb, operation]) => ({ path, verb, ...operation })),
);
const schemas = document.components.schemas;

describe("the document", () => {
  test("has every route that is served, each with an id of its own and a word on what it does", () => {
    const served = new Set(routes.map(({ verb, path }) => `${verb.toLowerCase()} ${path}`));
    // Upstream's list and get have one path
    served.delete("get /v1alpha1/microvm/{namespace}");
    expect(new Set(operations.map(({ verb, path }) => `${verb} ${path}`))).toEqual(served);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { operationId, summary } of operations)
      expect([operationId, summary]).not.toContain(undefined);
  });

  test("declares the parameters of each path, and says what each error is", () => {
    for (const { path, parameters = [], responses } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((one) => one.in === "path").map(({ name }) => name)).toEqual(inPath);
      expect(Object.keys(responses)).toEqual(
        expect.arrayContaining(["200", "400", "401", "403", "404", "503"]),
      );
    }
  });

  test("refers to nothing that is not there, and requires no property that is not there", () => {
    const text = JSON.stringify(document);
    for (const [, kind, name = ""] of text.matchAll(/"#\/components\/(schemas|responses)\/([^"]+)"/g)) {
      const known = (document.components as unknown as Record<string, object>)[kind ?? ""] ?? {};
      expect(Object.hasOwn(known, name), name).toBe(true);
    }
    for (const [name, { required = [], properties = {} }] of Object.entries(schemas)) {
      for (const property of required) expect(properties, name).toHaveProperty(property);
    }
  });
});

describe("what a request may hold", () => {
  const spec = schemas["flintlock.types.MicroVMSpec.Request"]?.properties ?? {};

  test("is bounded as the core's table has it", () => {
    expect(spec["vcpu"]).toMatchObject({ minimum: 0, maximum: 64, type: ["integer", "string", "null"] });
    expect(spec["id"]).toMatchObject({ maxLength: 63, type: ["string", "null"] });
    expect(schemas["flintlock.v1.Port.Request"]).toMatchObject({
      required: ["guestPort"],
      properties: {
        guestPort: { minimum: 1, maximum: 65_535 },
        protocol: { enum: ["", "tcp", "udp", null] },
      },
    });
    expect(schemas["flintlock.types.NetworkInterface.Request"]?.required).toEqual(["deviceId"]);
    // Required of additional volumes alone
    expect(schemas["flintlock.types.Volume.Request"]?.required).toBeUndefined();
  });

  test("lacks what only the daemon sets", () => {
    expect(Object.keys(spec)).not.toEqual(expect.arrayContaining(["uid"]));
    expect(spec["createdAt"]).toBeUndefined();
    expect(schemas["flintlock.types.MicroVMSpec"]?.properties).toHaveProperty("uid");
  });

  test("has the bounds of this host", () => {
    const own = documentFor({ providers: [{ name: "qemu" }], maxMemoryMib: 40_000 });
    const bounded = own.components.schemas["flintlock.types.MicroVMSpec.Request"]?.properties;
    expect(bounded?.["provider"]).toMatchObject({ enum: ["", "auto", "qemu", null] });
    expect(bounded?.["memoryInMb"]).toMatchObject({ maximum: 40_000 });
  });
});

describe("grammars say what the core reads", () => {
  const fits = (field: string, text: string): boolean =>
    new RegExp(GRAMMARS[field]?.pattern ?? "^\\b$", "u").test(text);

  test("of addresses", () => {
    const texts = [
      "1.2.3.4",
      "255.255.255.255",
      "256.1.1.1",
      "01.2.3.4",
      "1.2.3",
      "::",
      "::1",
      "fe80::1",
      "1::",
    ];
    const more = [
      "1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7::",
      "::2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7:8:9",
      "1::2::3",
      "g::",
      "",
    ];
    for (const text of [...texts, ...more]) {
      const isRead = familyOf(text) !== undefined;
      expect([text, fits("flintlock.types.StaticAddress.nameservers", text)]).toEqual([text, isRead]);
    }
  });

  test("of addresses with a prefix", () => {
    for (const text of [
      "1.2.3.4/0",
      "1.2.3.4/32",
      "::1/128",
      "1.2.3.4/33",
      "::1/129",
      "1.2.3.4",
      "1.2.3.4/",
    ]) {
      expect([text, fits("flintlock.types.StaticAddress.address", text)]).toEqual([
        text,
        reads(() => parseCidr(text, "x")),
      ]);
    }
  });

  test("of images", () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const good = [
      "alpine",
      "a/b",
      "localhost/a",
      "r.test:5000/a/b-c__d.e:v1",
      `r.test/a@${digest}`,
      "a.b",
      "a.b/c",
    ];
    const bad = ["", "A", "a//b", "a/", "a:", "a@sha256:0", "https://a", "a b", "-a", "a_.b/c", ":a"];
    for (const text of [...good, ...bad]) {
      expect([text, fits("flintlock.types.Kernel.image", text)]).toEqual([
        text,
        reads(() => parseReference(text, "x")),
      ]);
    }
  });
});

const reads = (parse: () => unknown): boolean => {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
};
