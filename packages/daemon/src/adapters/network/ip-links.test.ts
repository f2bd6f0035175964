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
  for (const links of [createIpLinks(), createIpLinks(["ip"])]) {
    expect(await links.show("lo", never)).toMatchObject({ name: "lo", index: 1, kind: undefined });
    expect(await links.show("l", never)).toBeUndefined();
    expect(await links.show("fltapnosuchdev0", never)).toBeUndefined();
  }
});

test("a missing program is told from a refusal", async () => {
  const missing = createIpLinks(["/nowhere/ip"]);
  await expect(missing.show("lo", never)).rejects.toMatchObject({ code: "unsupported" });
  await expect(createIpLinks(["ip"]).run([["link", "nonsense"]], never)).rejects.toMatchObject({
    code: "internal",
    hint: expect.stringContaining("nonsense"),
  });
});

test("a batch ends at the command that fails, which the error names, and takes no word that would end a line", async () => {
  const links = createIpLinks();
  const good = ["link", "show", "dev", "lo"] as const;
  await links.run([good, good], never);
  await expect(links.run([good, ["link", "show", "dev", "fl no"], good], never)).rejects.toMatchObject({
    message: "the network could not be changed: ip link show dev fl no",
  });
  for (const bad of ["lo\nlink", 'lo"', "lo\\", "#lo", ""]) {
    await expect(links.run([["link", "show", "dev", bad]], never)).rejects.toThrow("a word for ip");
  }
});
