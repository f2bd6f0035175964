import { expect, test } from "vitest";
import { parse } from "yaml";
import { cloudInit } from "./documents.ts";

const UID = "01JD0000000000000000000001";
const encode = (text: string): string => Buffer.from(text).toString("base64");
const decode = (text: string): string => Buffer.from(text, "base64").toString();
const instance = (text: string): string => decode(cloudInit.withInstanceId(encode(text), UID));

test("meta-data gets both spellings of the instance id, and loses nothing", () => {
  expect(decode(cloudInit.withInstanceId(undefined, UID))).toBe(`instance_id: ${UID}\ninstance-id: ${UID}\n`);
  expect(instance("# mine\nlocal_hostname: mvm0 # yes\nplatform: 'liquid metal'\n")).toBe(
    `# mine\nlocal_hostname: mvm0 # yes\nplatform: 'liquid metal'\ninstance_id: ${UID}\ninstance-id: ${UID}\n`,
  );
  expect(instance("# only a comment\n")).toContain("# only a comment");
  expect(parse(instance('{"a": "b"}'))).toEqual({ a: "b", instance_id: UID, "instance-id": UID });
  expect(parse(instance("instance_id: ns1/mvm0\n"))).toEqual({ instance_id: "ns1/mvm0", "instance-id": UID });
});

test("meta-data with both ids stays as it is, byte by byte; an empty id counts as none", () => {
  const text = "instance-id:   a\ninstance_id: 'b'\n\n\n";
  expect(instance(text)).toBe(text);
  expect(parse(instance("instance_id:\ninstance-id: ''\n"))).toEqual({
    instance_id: UID,
    "instance-id": UID,
  });
});

test.each([
  "a: [1]",
  "a: {b: c}",
  "- a",
  "just text",
  "a: &x b\nc: *x",
  "a: b\na: c",
  "a: b\n---\nc: d",
  "\t: {",
])("meta-data %j is refused in upstream's words", (text) => {
  expect(() => instance(text)).toThrow(/metadata\[meta-data\]: unmarshalling exists instance metadata/);
});

test("meta-data that is not UTF-8 is refused", () => {
  expect(() => cloudInit.withInstanceId("/w==", UID)).toThrow(/must be UTF-8/);
});

const MOUNTS = [
  { device: "vdb", path: "/data", isReadOnly: false },
  { device: "vdd1", path: "/ro", isReadOnly: true },
];

test("vendor-data mounts the volumes, and keeps what else it does", () => {
  const fresh = decode(cloudInit.withMounts(undefined, MOUNTS));
  expect(fresh.startsWith("## template: jinja\n#cloud-config\n")).toBe(true);
  expect(parse(fresh)).toEqual({
    mounts: [
      ["vdb", "/data"],
      ["vdd1", "/ro", "auto", "ro,nofail", "0", "2"],
    ],
    mount_default_fields: ["None", "None", "auto", "defaults,nofail", "0", "2"],
  });
  const own = "#cloud-config\n# kept\nswap: {size: 1}\nmounts:\n  - [vdz, /z]\nmount_default_fields: [a]\n";
  const merged = decode(cloudInit.withMounts(encode(own), MOUNTS));
  expect(merged).toContain("# kept");
  expect(parse(merged)).toMatchObject({ swap: { size: 1 }, mount_default_fields: ["a"] });
  expect(parse(merged).mounts.map(([device]: string[]) => device)).toEqual(["vdz", "vdb", "vdd1"]);
});

test("vendor-data that is a script cannot be added to", () => {
  expect(() => cloudInit.withMounts(encode("#!/bin/sh\n"), MOUNTS)).toThrow(/metadata\[vendor-data\]/);
});

test("network configuration finds interfaces by their MAC address", () => {
  const text = decode(
    cloudInit.networkConfig([
      {
        deviceId: "eth0",
        mac: "aa:ff:00:00:00:01",
        address: "169.254.0.1/16",
        gateway: undefined,
        nameservers: [],
        mtu: 1500,
      },
      {
        deviceId: "eth1",
        mac: "02:00:00:00:00:01",
        address: undefined,
        gateway: undefined,
        nameservers: [],
        mtu: undefined,
      },
      {
        deviceId: "eth2",
        mac: "02:00:00:00:00:02",
        address: "fd00::2/64",
        gateway: "fd00::1",
        nameservers: ["9.9.9.9"],
        mtu: 9000,
      },
    ]),
  );
  expect(parse(text)).toEqual({
    version: 2,
    ethernets: {
      eth0: {
        match: { macaddress: "aa:ff:00:00:00:01" },
        dhcp4: false,
        dhcp6: false,
        "dhcp-identifier": "mac",
        addresses: ["169.254.0.1/16"],
      },
      eth1: {
        match: { macaddress: "02:00:00:00:00:01" },
        dhcp4: true,
        dhcp6: true,
        "dhcp-identifier": "mac",
      },
      eth2: {
        match: { macaddress: "02:00:00:00:00:02" },
        mtu: 9000,
        dhcp4: false,
        dhcp6: false,
        "dhcp-identifier": "mac",
        addresses: ["fd00::2/64"],
        gateway6: "fd00::1",
        nameservers: { addresses: ["9.9.9.9"] },
      },
    },
  });
});

test("plain lines are added to as they are, and anything else is parsed", () => {
  const both = `instance_id: ${UID}\ninstance-id: ${UID}\n`;
  expect(instance("local_hostname: a.b-c\n")).toBe(`local_hostname: a.b-c\n${both}`);
  expect(instance("instance_id: mine\n")).toBe(`instance_id: mine\ninstance-id: ${UID}\n`);
  for (const text of ["a: b", "a:  b\n", "a: [b]\n", "a: b\r\n", "a: 'b'\n\n", "# c\na: b\n"]) {
    let read: unknown;
    try {
      read = parse(instance(text));
    } catch (error) {
      expect(String(error)).toContain("metadata[meta-data]");
      continue;
    }
    expect(read, text).toMatchObject({ instance_id: UID, "instance-id": UID });
  }
  expect(() => instance("a: b\na: c\n")).toThrow(/metadata\[meta-data\]/);
});
