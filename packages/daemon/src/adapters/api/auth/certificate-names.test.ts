import type { PeerCertificate } from "node:tls";
import { expect, test } from "vitest";
import { certificateNames, holderOf } from "./certificate-names.ts";

const certificate = (CN: unknown, subjectaltname?: string): PeerCertificate =>
  ({ subject: { CN }, subjectaltname, fingerprint256: "AA:BB" }) as unknown as PeerCertificate;

const names = (CN: unknown, san?: string): readonly string[] =>
  certificateNames(certificate(CN, san)).map(({ kind, value }) => `${kind} ${value}`);

test("common name, DNS and URI names are told apart; others are not names", () => {
  expect(names("fleet", "DNS:a.example, URI:spiffe://x/y, IP Address:10.0.0.1, email:a@b")).toEqual([
    "common_name fleet",
    "dns a.example",
    "uri spiffe://x/y",
  ]);
  expect(names(undefined)).toEqual([]);
});

test("a name with a comma in it does not become two", () => {
  expect(names("x", `DNS:"a.example, DNS:admin.example", DNS:b.example`)).toEqual([
    "common_name x",
    "dns a.example, DNS:admin.example",
    "dns b.example",
  ]);
  expect(names("x", `URI:"spiffe://x/\\", URI:spiffe://admin"`)).toEqual([
    "common_name x",
    `uri spiffe://x/", URI:spiffe://admin`,
  ]);
});

test("what does not read as Node writes it names nobody", () => {
  for (const san of ["DNS", "DNS:a, nonsense", `DNS:"open`, `DNS:a"b`, ", DNS:a", `DNS:"\\x"`]) {
    expect([san, names(undefined, san)]).toEqual([san, []]);
  }
});

test("several common names are none", () => {
  expect(names(["admin", "guest"])).toEqual([]);
});

test("a holder's name for the record is printable and bounded", () => {
  expect(holderOf(certificate("Liquid Metal\n1"))).toBe("certificate:Liquid_Metal_1");
  expect(holderOf(certificate("x".repeat(1_000)))).toHaveLength(140);
  expect(holderOf(certificate(undefined))).toBe("certificate:AA:BB");
});
