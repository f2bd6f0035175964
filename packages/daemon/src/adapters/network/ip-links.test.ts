import { expect, test } from "vitest";
import { createIpLinks, parseLink } from "./ip-links.ts";

const never = new AbortController().signal;

test("a link is read from ip's JSON", () => {
  const described = {
    ifindex: 7,
    ifname: "fltap0",
    flags: ["BROADCAST", "UP"],
    mtu: 1400,
    master: "br0",
    address: "02:00:00:00:00:01",
    linkinfo: { info_kind: "tun", info_data: { type: "tap", persist: true } },
  };
  expect(parseLink([described])).toEqual({
    name: "fltap0",
    index: 7,
    mac: "02:00:00:00:00:01",
    mtu: 1400,
    isUp: true,
    isAllMulticast: false,
    master: "br0",
    parent: undefined,
    kind: "tun",
    mode: "tap",
  });
  for (const bad of [[], {}, null, [null], [{ ifname: 1 }]]) expect(() => parseLink(bad)).toThrow();
});

test("this host's loopback is there, and a link that is not there is absent", async () => {
  const links = createIpLinks(["ip"]);
  expect(await links.show("lo", never)).toMatchObject({ name: "lo", index: 1, kind: undefined });
  expect(await links.show("fltapnosuchdev0", never)).toBeUndefined();
});

test("a missing program is told from a refusal", async () => {
  const missing = createIpLinks(["/nowhere/ip"]);
  await expect(missing.show("lo", never)).rejects.toMatchObject({ code: "unsupported" });
  await expect(createIpLinks(["ip"]).run(["link", "nonsense"], never)).rejects.toMatchObject({
    code: "internal",
    hint: expect.stringContaining("nonsense"),
  });
});
