/** Our protos against what upstream has published: every name, number, type, label, stream and route. */
import { guestExec, legacyTypes, legacyWire, sshProxy, types, wire } from "@flintlock/api";
import { expect, test } from "vitest";
import { compile } from "./compile.ts";
import { factsOf } from "./facts.ts";
import { published, sum } from "./published.ts";

const ours = factsOf([
  types.file_types_microvm,
  wire.file_services_microvm_v1alpha1_microvms,
  guestExec.file_services_microvmexec_v1alpha1_microvmexec,
  sshProxy.file_services_microvmsshproxy_v1alpha1_microvmsshproxy,
]);
const current = sum(published("v0.11.0"), published("since-v0.11.0"));

test.each(["messages", "enums", "services"] as const)(
  "our %s are those of upstream's v0.11.0 and what came since, no more and no fewer",
  (kind) => {
    expect(ours[kind]).toEqual(current[kind]);
  },
);

test("nothing that came since changes what v0.11.0 had", () => {
  const { messages, services } = published("v0.11.0");
  const since = published("since-v0.11.0");
  for (const [name, fields] of Object.entries(since.messages)) {
    const before = Object.values(messages[name] ?? {}).map(numberOf);
    for (const [field, text] of Object.entries(fields)) {
      expect(messages[name]?.[field], `${name}.${field}`).toBeUndefined();
      expect(before, `${name}.${field}`).not.toContain(numberOf(text));
    }
  }
  for (const [name, methods] of Object.entries(since.services)) {
    for (const method of Object.keys(methods)) expect(services[name]?.[method]).toBeUndefined();
  }
});

test("the legacy endpoint's protos are those of v0.1.0-alpha.1, of which alpha.2 left out UpdateMicroVM", () => {
  const legacy = factsOf([
    legacyTypes.file_types_microvm,
    legacyWire.file_services_microvm_v1alpha1_microvms,
  ]);
  expect(legacy).toEqual(published("v0.1.0-alpha.1"));
  const alpha2 = published("v0.1.0-alpha.2");
  expect(legacy.messages).toMatchObject(alpha2.messages);
  expect(legacy.enums).toEqual(alpha2.enums);
  expect(legacy.services).toMatchObject(alpha2.services);
});

const numberOf = (field: string): string => / = (\d+)/.exec(field)?.[1] ?? field;

// Only where a checkout is at hand: FLINTLOCK_UPSTREAM_API is its `api` directory, at v0.11.0, and FLINTLOCK_UPSTREAM_INCLUDES
// what that imports (grpc-gateway's module), separated by colons.
const checkout = process.env["FLINTLOCK_UPSTREAM_API"];
if (checkout !== undefined) {
  test(`the table is what ${checkout} says`, () => {
    const includes = (process.env["FLINTLOCK_UPSTREAM_INCLUDES"] ?? "").split(":").filter(Boolean);
    expect(factsOf(compile(checkout, includes))).toEqual(published("v0.11.0"));
  });
}
