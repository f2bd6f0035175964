/** Specs for property tests, made from the table of rules: mostly valid, now and then not. */
import { create } from "@bufbuild/protobuf";
import { types } from "@flintlock/api";
import { type FieldRule, SPEC_FIELD_RULES, type TextRule } from "@flintlock/core";
import fc from "fast-check";

export const rule = (path: string): FieldRule => {
  const found = SPEC_FIELD_RULES[path];
  if (found === undefined) throw new Error(`no rule for ${path}`);
  return found;
};

/** Text that fits, not longer than is useful. */
const fitting = ({ pattern = /^[ -~]*$/, minLength = 0, maxLength }: TextRule): fc.Arbitrary<string> =>
  fc
    .stringMatching(pattern, { maxLength: Math.min(maxLength, 40) })
    .filter((text) => text.length >= minLength && text.length <= maxLength);
const fittingPath = (path: string): fc.Arbitrary<string> => {
  const { maxLength = 0, ...text } = rule(path);
  return fitting({ ...text, maxLength });
};
/** Mostly what fits, now and then anything. */
const mixed = <T>(good: fc.Arbitrary<T>, any: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: any });
const text = (path: string) => mixed(fittingPath(path), fc.string({ unit: "binary" }));
const number = (path: string) =>
  mixed(
    fc.oneof(fc.constant(0), fc.integer({ min: rule(path).min ?? 0, max: rule(path).max ?? 0 })),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  );
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const map = (path: string, value?: fc.Arbitrary<string>) => {
  const { key = { maxLength: 1 }, value: valueRule = { maxLength: 1 } } = rule(path);
  return fc.dictionary(fitting(key), value ?? fitting(valueRule), { maxKeys: 3 });
};
const image = mixed(
  fc.constantFrom("registry.test/a:1", "docker.io/library/alpine:3", `r.test/a@sha256:${"0".repeat(64)}`),
  // Short forms are made full, which reference.test.ts is about.
  fc.constantFrom("", "https://registry.test/a", "registry.test/A:1"),
);
const base64 = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const cidr = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, prefix]) => `${ip}/${prefix}`);

const volume = (prefix: string) =>
  fc.record(
    {
      id: text(`${prefix}.id`),
      isReadOnly: fc.boolean(),
      mountPoint: mixed(fc.constantFrom("/data", "//x/y"), fc.constant("/a/../b")),
      source: fc.record({ containerSource: image }),
      partitionId: text(`${prefix}.partition_id`),
      sizeInMb: number(`${prefix}.size_in_mb`),
    },
    { requiredKeys: ["id", "isReadOnly", "source"] },
  );

export const specs = fc
  .record({
    id: fc.constant("vm"),
    namespace: fc.constant("ns"),
    labels: map("labels"),
    vcpu: number("vcpu"),
    memoryInMb: number("memory_in_mb"),
    kernel: fc.record({
      image,
      filename: fc.constantFrom("boot/vmlinux", "/boot/k", ""),
      cmdline: map("kernel.cmdline"),
      addNetworkConfig: fc.boolean(),
    }),
    initrd: optional(fc.record({ image, filename: mixed(fc.constant("boot/initrd"), fc.constant("../x")) })),
    rootVolume: volume("root_volume"),
    additionalVolumes: fc.array(volume("additional_volumes[]"), { maxLength: 3 }),
    interfaces: fc.array(
      fc.record({
        deviceId: text("interfaces[].device_id"),
        type: mixed(fc.constantFrom(0, 1), fc.integer({ min: 2, max: 9 })),
        guestMac: optional(text("interfaces[].guest_mac")),
        address: optional(
          fc.record({
            address: mixed(cidr, fc.string()),
            gateway: optional(fc.oneof(cidr, fc.ipV4())),
            nameservers: fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 3 }),
          }),
        ),
        overrides: optional(fc.record({ bridgeName: text("interfaces[].overrides.bridge_name") })),
      }),
      { maxLength: 3 },
    ),
    metadata: map("metadata", mixed(base64, fc.string())),
    provider: fc.constantFrom("", "qemu", "auto"),
    allowGuestAgent: fc.boolean(),
    cpuConfig: optional(
      fc.record({
        featuresToEnable: fc.array(fitting(rule("cpu_config.features_to_enable").item ?? { maxLength: 0 }), {
          maxLength: 3,
        }),
        kvmCapabilitiesToDisable: fc.array(fc.constantFrom("1", "171"), { maxLength: 2 }),
      }),
    ),
  })
  // SAFETY: every key is one of the message's; absent and undefined are the same to `create`
  .map((init) => create(types.MicroVMSpecSchema, init as object));
