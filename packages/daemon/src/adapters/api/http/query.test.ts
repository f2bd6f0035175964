import { ext, types, wire } from "@flintlock/api";
import { expect, test } from "vitest";
import { queryToJson } from "./query.ts";

const parse = (desc: Parameters<typeof queryToJson>[0], query: string, taken: readonly string[] = []) =>
  queryToJson(desc, new URLSearchParams(query), (name) => taken.includes(name));

test("fields go by proto name or JSON name, unknown ones are ignored", () => {
  expect(parse(types.MicroVMSpecSchema, "memory_in_mb=5&vcpu=2&nope=1&a.b=2&allowGuestAgent=1")).toEqual({
    memoryInMb: "5",
    vcpu: "2",
    allowGuestAgent: true,
  });
});

test("nested, repeated, enum and map parameters find their place", () => {
  const json = parse(
    wire.CreateMicroVMRequestSchema,
    "microvm.kernel.image=k&microvm.labels[a]=1&microvm.labels[b]=2&microvm.root_volume.sizeInMb=3",
  );
  expect(json).toEqual({
    microvm: { kernel: { image: "k" }, labels: { a: "1", b: "2" }, rootVolume: { sizeInMb: "3" } },
  });
  expect(parse(types.NetworkInterfaceSchema, "type=TAP&address.nameservers=a&address.nameservers=b")).toEqual(
    {
      type: "TAP",
      address: { nameservers: ["a", "b"] },
    },
  );
  expect(parse(types.NetworkInterfaceSchema, "type=1")).toEqual({ type: "TAP" });
});

test("what the path or the body already say is left alone", () => {
  expect(parse(ext.GetRequestSchema, "target=evil&namespace=n", ["target"])).toEqual({ namespace: "n" });
});

test("a value that does not fit is refused by the field's name", () => {
  const field = (query: string): unknown => {
    try {
      return parse(ext.LogsRequestSchema, query);
    } catch (error) {
      return (error as { detail: unknown }).detail;
    }
  };
  expect(field("follow=maybe")).toEqual({ field: "follow" });
  expect(field("target=a&target=b")).toEqual({ field: "target" });
  for (const query of [
    "target.a=b",
    "target[a]=b",
    "tail=1e1",
    "tail=0x1",
    "tail=%2B1",
    "tail=",
    "tail=1.0",
  ]) {
    expect([query, Object.keys(field(query) ?? {})]).toEqual([query, ["field"]]);
  }
  expect(() => parse(ext.ListRequestSchema, "labels=a")).toThrow("labels[key]=value");
  expect(() => parse(ext.ListRequestSchema, "labels[a]=b&labels[a]=c")).toThrow("labels[key]=value");
  expect(() => parse(ext.ListRequestSchema, "states=99")).toThrow("PENDING");
  expect(() => parse(wire.CreateMicroVMRequestSchema, "metadata[a]=b")).toThrow("cannot be given");
  expect(() => parse(types.MicroVMSpecSchema, "kernel=k")).toThrow("cannot be given");
  expect(() => parse(types.NetworkInterfaceSchema, "type=BRIDGE")).toThrow("MACVTAP, TAP");
  expect(() => parse(ext.GetRequestSchema, "x=1&".repeat(2_000))).toThrow("at most");
});

test("no parameter reaches a prototype", () => {
  parse(
    ext.ListRequestSchema,
    "labels[__proto__]=x&__proto__=y&__proto__.polluted=z&constructor.prototype.a=b",
  );
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
});
