import { FlintlockError } from "@flintlock/core";
import { expect, test } from "vitest";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../media-types.ts";
import { checkLayerCount, parseImageConfig } from "./image-config.ts";
import { MAX_LAYERS, MAX_MANIFEST_BYTES, parseManifest } from "./manifest.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;
const config = { mediaType: OCI_CONFIG, digest: DIGEST, size: 10 };
const layer = { mediaType: `${OCI_LAYER}+gzip`, digest: DIGEST, size: 20 };
const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

const refusal = (work: () => unknown): FlintlockError => {
  try {
    work();
  } catch (error) {
    if (error instanceof FlintlockError) return error;
    throw error;
  }
  throw new Error("it was accepted");
};

test("a manifest gives its configuration and layers", () => {
  expect(parseManifest(bytes(manifest), "")).toEqual({
    kind: "manifest",
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: DIGEST, sizeBytes: 10 },
    layers: [{ mediaType: `${OCI_LAYER}+gzip`, digest: DIGEST, sizeBytes: 20 }],
  });
});

test("without a media type of its own the stated one counts, and without either the shape", () => {
  const { mediaType: _, ...untyped } = manifest;
  expect(parseManifest(bytes(untyped), `${OCI_MANIFEST}; charset=utf-8`).kind).toBe("manifest");
  expect(parseManifest(bytes(untyped), "").kind).toBe("manifest");
  expect(parseManifest(bytes({ manifests: [] }), "").kind).toBe("index");
});

test("an index gives platforms and annotations", () => {
  const entry = { ...config, platform: { os: "linux", architecture: "arm64" }, annotations: { a: "b" } };
  const index = parseManifest(bytes({ mediaType: OCI_INDEX, manifests: [entry, config] }), "");
  expect(index).toMatchObject({
    kind: "index",
    entries: [
      { platform: { os: "linux", architecture: "arm64", variant: "" }, annotations: { a: "b" } },
      { platform: undefined, annotations: {} },
    ],
  });
});

test.each([
  ["no JSON", Buffer.from("{"), "not JSON"],
  ["no UTF-8", Buffer.from([0xff, 0xfe]), "not JSON"],
  ["a list", bytes([]), "not a JSON object"],
  ["too large", Buffer.alloc(MAX_MANIFEST_BYTES + 1, " "), "over"],
  ["manifest and index at once", bytes({ ...manifest, manifests: [] }), "as well"],
  ["a bad digest", bytes({ ...manifest, config: { ...config, digest: "sha256:../x" } }), "digest"],
  ["another algorithm", bytes({ ...manifest, config: { ...config, digest: "md5:00" } }), "digest"],
  ["a negative size", bytes({ ...manifest, layers: [{ ...layer, size: -1 }] }), "size"],
  ["a fractional size", bytes({ ...manifest, layers: [{ ...layer, size: 0.5 }] }), "size"],
  ["a huge layer", bytes({ ...manifest, layers: [{ ...layer, size: 2 ** 52 }] }), "over"],
  ["a huge configuration", bytes({ ...manifest, config: { ...config, size: 2 ** 30 } }), "over"],
  ["too many layers", bytes({ ...manifest, layers: Array(MAX_LAYERS + 1).fill(layer) }), "limit"],
  ["layers that are none", bytes({ ...manifest, layers: "x" }), "list"],
])("%s is data loss", (_, document, problem) => {
  const error = refusal(() => parseManifest(document, OCI_MANIFEST));
  expect(error.code).toBe("data_loss");
  expect(error.message).toContain(problem);
});

test.each([
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
  "constructor",
])("a layer of type %s is refused by name", (mediaType) => {
  const error = refusal(() => parseManifest(bytes({ ...manifest, layers: [{ ...layer, mediaType }] }), ""));
  expect(error.code).toBe("unsupported");
  expect(error.message).toContain(mediaType);
});

test("schema 1 manifests, artifacts and unknown documents are refused by name", () => {
  expect(refusal(() => parseManifest(bytes({ schemaVersion: 1 }), "")).message).toContain("schema 1");
  const artifact = { ...manifest, config: { ...config, mediaType: "application/vnd.example" } };
  expect(refusal(() => parseManifest(bytes(artifact), "")).message).toContain("application/vnd.example");
  expect(refusal(() => parseManifest(bytes({ mediaType: "text/html" }), "")).message).toContain("text/html");
});

test("a configuration gives what is to run, with Go's nulls as empty", () => {
  const parsed = parseImageConfig(
    bytes({
      os: "linux",
      architecture: "amd64",
      config: { Entrypoint: null, Cmd: ["a"], Labels: { __proto__x: "1" } },
      rootfs: { diff_ids: [DIGEST] },
    }),
  );
  expect(parsed).toEqual({
    config: { entrypoint: [], cmd: ["a"], env: [], user: "", workingDir: "", labels: { __proto__x: "1" } },
    platform: { os: "linux", architecture: "amd64", variant: "" },
    diffIds: [DIGEST],
    createdAt: undefined,
  });
  checkLayerCount(1, parsed);
  expect(refusal(() => checkLayerCount(2, parsed)).code).toBe("data_loss");
});

test("a label called __proto__ stays a label", () => {
  const labels = '{"config":{"Labels":{"__proto__":"x"}}}';
  const parsed = parseImageConfig(Buffer.from(labels)).config.labels;
  expect(Object.entries(parsed)).toEqual([["__proto__", "x"]]);
});

test.each([
  [{ config: { Env: [7] } }],
  [{ config: { Env: "PATH=/" } }],
  [{ config: { User: {} } }],
  [{ rootfs: { diff_ids: ["x"] } }],
  [{ rootfs: [] }],
  [{ config: { Cmd: Array(5000).fill("x") } }],
])("the configuration %.60j is data loss", (document) => {
  expect(refusal(() => parseImageConfig(bytes(document))).code).toBe("data_loss");
});
