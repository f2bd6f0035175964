/** Writes OCI layouts as the specification has them, so that tools and our store meet on neutral ground. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Digest } from "@flintlock/core";

const OCI = "application/vnd.oci.image";

export interface TestLayer {
  readonly tar: Uint8Array;
  readonly compression: "none" | "gzip" | "zstd";
}

export interface TestDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export class TestLayout {
  readonly path: string;
  readonly #index: TestDescriptor[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async create(path: string): Promise<TestLayout> {
    await mkdir(join(path, "blobs", "sha256"), { recursive: true });
    await writeFile(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    return new TestLayout(path);
  }

  async blob(bytes: Uint8Array, mediaType: string): Promise<TestDescriptor> {
    const digest = digestOf(bytes);
    await writeFile(join(this.path, "blobs", "sha256", digest.slice(7)), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async json(value: unknown, mediaType: string): Promise<TestDescriptor> {
    return this.blob(Buffer.from(JSON.stringify(value)), mediaType);
  }

  async image(layers: readonly TestLayer[], architecture = "amd64"): Promise<TestDescriptor> {
    const config = {
      created: "2026-01-02T03:04:05Z",
      architecture,
      os: "linux",
      config: {
        Env: ["PATH=/bin"],
        Entrypoint: ["/init"],
        Cmd: ["serve"],
        User: "1000:1000",
        WorkingDir: "/srv",
        Labels: { "dev.flintlock.kernel": "boot/vmlinux" },
      },
      rootfs: { type: "layers", diff_ids: layers.map(({ tar }) => digestOf(tar)) },
    };
    const descriptors: TestDescriptor[] = [];
    for (const { tar, compression } of layers) {
      const suffix = compression === "none" ? "" : `+${compression}`;
      descriptors.push(await this.blob(compress(tar, compression), `${OCI}.layer.v1.tar${suffix}`));
    }
    return this.manifest(await this.json(config, `${OCI}.config.v1+json`), descriptors);
  }

  async manifest(config: TestDescriptor, layers: readonly TestDescriptor[]): Promise<TestDescriptor> {
    const mediaType = `${OCI}.manifest.v1+json`;
    return this.json({ schemaVersion: 2, mediaType, config, layers }, mediaType);
  }

  async index(manifests: readonly TestDescriptor[]): Promise<TestDescriptor> {
    const mediaType = `${OCI}.index.v1+json`;
    return this.json({ schemaVersion: 2, mediaType, manifests }, mediaType);
  }

  /** Lists a descriptor in `index.json`, under a tag or with the annotations given. */
  async list(descriptor: TestDescriptor, annotations: Readonly<Record<string, string>>): Promise<void> {
    this.#index.push({ ...descriptor, annotations });
    await writeFile(
      join(this.path, "index.json"),
      JSON.stringify({ schemaVersion: 2, manifests: this.#index }),
    );
  }

  async tag(descriptor: TestDescriptor, tag: string): Promise<void> {
    await this.list(descriptor, { "org.opencontainers.image.ref.name": tag });
  }
}

export const digestOf = (bytes: Uint8Array): Digest =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;

const compress = (tar: Uint8Array, compression: TestLayer["compression"]): Uint8Array => {
  if (compression === "gzip") return gzipSync(tar);
  if (compression === "zstd") return execFileSync("zstd", ["-q", "-c"], { input: tar, maxBuffer: 1 << 28 });
  return tar;
};
