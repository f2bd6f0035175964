/** Descriptors of a directory of protos, such as the `api` directory of an upstream checkout, compiled by buf. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createFileRegistry, type DescFile, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const ROOT = resolve(import.meta.dirname, "../../..");

/**
 * `includes` are directories of what the protos import besides google's own, such as grpc-gateway's module: only their
 * `.proto` files count.
 * @throws Error – with buf's words
 */
export const compile = (directory: string, includes: readonly string[]): readonly DescFile[] => {
  const scratch = mkdtempSync(join(tmpdir(), "flintlock-protos-"));
  try {
    copyProtos(directory, join(scratch, "api"));
    for (const [at, include] of includes.entries()) copyProtos(include, join(scratch, `include${at}`));
    copyProtos(join(ROOT, "node_modules/google-proto-files/google/api"), join(scratch, "google/google/api"));
    const modules = ["api", "google", ...includes.map((_include, at) => `include${at}`)];
    writeFileSync(
      join(scratch, "buf.yaml"),
      ["version: v2", "modules:", ...modules.map((path) => `  - path: ${path}`), ""].join("\n"),
    );
    const image = join(scratch, "image.binpb");
    const { status, stderr } = spawnSync(
      join(ROOT, "node_modules/.bin/buf"),
      ["build", join(scratch, "api"), "--as-file-descriptor-set", "-o", image],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`buf cannot compile ${directory}: ${stderr.slice(0, 2_000)}`);
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(image)));
    return [...registry.files].filter(({ name }) => !/^(google|protoc-gen-openapiv2)\//.test(name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

const copyProtos = (from: string, to: string): void =>
  cpSync(from, to, {
    recursive: true,
    filter: (path) => !/\.[a-z0-9]+$/i.test(path.slice(from.length)) || path.endsWith(".proto"),
  });
