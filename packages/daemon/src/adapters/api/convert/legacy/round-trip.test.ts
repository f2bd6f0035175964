/** What the first API's layout can say comes back as it was sent, through the core's own rules. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { legacyTypes } from "@flintlock/api";
import { cmdlineText, kernelParameters, lastValues, parseSpec } from "@flintlock/core";
import { SIMULATED_LIMITS } from "@flintlock/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sampleMicroVM } from "../../testing/sample-microvm.ts";
import { comparableSpec } from "./comparable.ts";
import { legacyCreateInput } from "./create-input.ts";
import { legacySpec } from "./microvm.ts";
import { splitVolumes } from "./volumes.ts";

type Init = MessageInitShape<typeof legacyTypes.MicroVMSpecSchema>;

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/);
const image = name.map((path) => `registry.test/${path}:1`);
const file = fc.option(fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8})?$/), { nil: undefined });
const byte = fc.integer({ min: 0, max: 255 });
const hex = byte.map((value) => value.toString(16).padStart(2, "0"));

/** Printable ASCII, quotes in pairs. */
const cmdline = fc
  .array(
    fc.oneof(
      fc.stringMatching(/^[!#-~]{1,12}$/),
      fc.stringMatching(/^[a-z]{1,6}="[ !#-~]{0,12}"$/),
      fc.constantFrom("console=tty0", "console=ttyS0", "--", "ro", " "),
    ),
    { maxLength: 12 },
  )
  .map((words) => words.join(" "));

const volume = fc.record({
  isReadOnly: fc.boolean(),
  source: image.map((containerSource) => ({ containerSource })),
  partitionId: fc.option(fc.uuid(), { nil: undefined }),
  sizeInMb: fc.option(fc.integer({ min: 8, max: 4096 }), { nil: undefined }),
});

const volumes = fc
  .tuple(
    fc.uniqueArray(name, { minLength: 1, maxLength: 5 }),
    fc.array(volume, { minLength: 5, maxLength: 5 }),
    fc.array(fc.option(name, { nil: undefined }), { minLength: 5, maxLength: 5 }),
    fc.nat(),
  )
  .map(([ids, parts, mounts, root]) =>
    ids.map((id, index) => {
      const isRoot = index === root % ids.length;
      const path = mounts[index];
      return { ...parts[index], id, isRoot, mountPoint: isRoot ? "/" : path === undefined ? "" : `/${path}` };
    }),
  );

const iface = fc.record({
  type: fc.constantFrom(0, 1),
  allowMetadataReq: fc.boolean(),
  guestMac: fc.option(
    fc.array(hex, { minLength: 5, maxLength: 5 }).map((rest) => ["02", ...rest].join(":")),
    { nil: undefined },
  ),
  address: fc.option(
    fc.tuple(byte, byte, fc.integer({ min: 1, max: 32 })).map(([a, b, prefix]) => `10.0.${a}.${b}/${prefix}`),
    { nil: undefined },
  ),
});

const interfaces = fc
  .tuple(fc.uniqueArray(name, { maxLength: 4 }), fc.array(iface, { minLength: 4, maxLength: 4 }))
  .map(([names, parts]) => names.map((guestDeviceName, index) => ({ ...parts[index], guestDeviceName })));

const spec: fc.Arbitrary<Init> = fc
  .record({
    id: name,
    namespace: name,
    labels: fc.dictionary(name, fc.string({ unit: "grapheme-ascii", maxLength: 20 })),
    vcpu: fc.integer({ min: 1, max: 64 }),
    memoryInMb: fc.integer({ min: 64, max: 32_768 }),
    kernel: fc.record({ image, cmdline, filename: file, addNetworkConfig: fc.boolean() }),
    initrd: fc.option(fc.record({ image, filename: file }), { nil: undefined }),
    volumes,
    interfaces,
    metadata: fc.dictionary(
      name.filter((key) => key !== "meta-data"),
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString("base64")),
    ),
  })
  .map((init) => init as Init);

const throughTheCore = (sent: legacyTypes.MicroVMSpec): legacyTypes.MicroVMSpec => {
  const input = legacyCreateInput(sent, splitVolumes(sent.volumes, sent.initrd !== undefined));
  const parsed = { ...parseSpec(input, SIMULATED_LIMITS), provider: "simulated" as const };
  return legacySpec({ ...sampleMicroVM(), id: input.id, namespace: input.namespace, spec: parsed });
};

test("legacy to core to legacy is the identity, the root first", () => {
  fc.assert(
    fc.property(spec, (init) => {
      const sent = create(legacyTypes.MicroVMSpecSchema, init);
      const back = throughTheCore(sent);
      expect(comparableSpec(back)).toEqual(comparableSpec(sent));
      expect(back.kernel?.cmdline).toBe(sent.kernel?.cmdline);
      expect(toBinary(legacyTypes.MicroVMSpecSchema, throughTheCore(back))).toEqual(
        toBinary(legacyTypes.MicroVMSpecSchema, back),
      );
    }),
    { numRuns: 300 },
  );
});

test("a command line of today's API reads back as the same keys and values", () => {
  const key = fc.stringMatching(/^[!#-<>-~]{1,10}$/).filter((text) => text !== "--");
  const value = fc.stringMatching(/^[ !#-~]{0,20}$/);
  fc.assert(
    fc.property(fc.dictionary(key, value), (parameters) => {
      expect(lastValues(kernelParameters(cmdlineText(parameters)))).toEqual(parameters);
    }),
  );
});
