import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, type TestDescriptor, TestLayout } from "./support/layout.ts";
import { skopeo } from "./support/registry.ts";
import { missingPrograms } from "./support/requirements.ts";
import { failure, namesIn, openStore, ref, within } from "./support/store.ts";
import { linkHeader, tarOf } from "./support/tar.ts";
import { openWorkplace, type Workplace } from "./support/workplace.ts";

const missing = missingPrograms("skopeo", "zstd", "tar");
const ignore = () => {};

describe.skipIf(missing)("loading archives", () => {
  let workplace: Workplace;
  let layout: TestLayout;
  let image: TestDescriptor;
  let arm: TestDescriptor;
  let root = "";
  let count = 0;
  const fresh = (name: string) => join(workplace.path, `${name}-${count++}`);
  const freshStore = () => {
    root = fresh("store");
    return openStore(root);
  };
  const layer = (name: string) => ({
    tar: tarOf({ [name]: name.repeat(500) }),
    compression: "gzip" as const,
  });
  async function* inPieces(bytes: Uint8Array, size = 1000) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const loadBytes = async (bytes: Uint8Array, name?: string) => {
    const store = await freshStore();
    const reference = name === undefined ? undefined : ref(name);
    return store.load(inPieces(bytes), reference, ignore, within(20_000));
  };
  const tarDirectory = (path: string) => execFileSync("tar", ["-C", path, "-c", "."], { maxBuffer: 1 << 28 });
  const skopeoArchive = async (target: string): Promise<string> => {
    const path = fresh("archive.tar");
    await skopeo("copy", "-q", `oci:${layout.path}:main`, target.replace("PATH", path));
    return path;
  };
  const nothingIsLeft = async () => {
    expect(await namesIn(root, "ingest")).toEqual([]);
    expect(await namesIn(root, "refs")).toEqual([]);
  };

  beforeAll(async () => {
    workplace = await openWorkplace();
    layout = await TestLayout.create(join(workplace.path, "layout"));
    image = await layout.image([layer("a"), layer("b"), layer("a")]);
    arm = await layout.image([layer("arm")], "arm64");
    await layout.tag(image, "main");
  });

  afterAll(async () => {
    await workplace[Symbol.asyncDispose]();
  });

  test("a docker archive keeps its tags and its layers", async () => {
    const path = await skopeoArchive("docker-archive:PATH:example.test/saved:7");
    const store = await freshStore();
    const stages: string[] = [];
    const onProgress = ({ stage }: { readonly stage: string }) => stages.push(stage);
    const loaded = await store.load(createReadStream(path), undefined, onProgress, within(20_000));
    expect(loaded).toMatchObject([
      {
        reference: "example.test/saved:7",
        layers: 3,
        platform: "linux/amd64",
        config: { entrypoint: ["/init"] },
      },
    ]);
    expect(stages.at(-1)).toBe("done");
    expect(await store.list()).toEqual(loaded);
    expect(await namesIn(root, "ingest")).toEqual([]);
    const again = await store.load(createReadStream(path), undefined, ignore, within(20_000));
    expect(again).toEqual(loaded);
    expect(await store.prune(new Set())).toBe(0);
  });

  test("a docker archive without tags takes the caller's reference", async () => {
    const bytes = await readFile(await skopeoArchive("docker-archive:PATH"));
    expect(await loadBytes(bytes, "mine:1")).toMatchObject([{ reference: "docker.io/library/mine:1" }]);
    const error = await failure(loadBytes(bytes));
    expect(error.code).toBe("invalid_spec");
    expect(error.message).toContain("reference");
    await nothingIsLeft();
  });

  test("an old docker archive may link equal layers and compress them", async () => {
    const tar = tarOf({ etc: "etc" });
    const config = Buffer.from(
      JSON.stringify({
        os: "linux",
        architecture: "amd64",
        rootfs: { type: "layers", diff_ids: [digestOf(tar), digestOf(tar), digestOf(tar)] },
      }),
    );
    const name = `${digestOf(config).slice(7)}.json`;
    const manifest = [
      {
        Config: name,
        RepoTags: ["old:1", "old:2"],
        Layers: ["a/layer.tar", "b/layer.tar", "c/layer.tar.gz"],
      },
    ];
    const head = tarOf({ [name]: config, "a/layer.tar": tar, "c/layer.tar.gz": gzipSync(tar) }).subarray(
      0,
      -1024,
    );
    const bytes = Buffer.concat([
      head,
      linkHeader("b/layer.tar", "../a/layer.tar", "2"),
      tarOf({ "manifest.json": JSON.stringify(manifest) }),
    ]);
    const loaded = await loadBytes(bytes);
    expect(loaded.map(({ reference }) => reference)).toEqual([
      "docker.io/library/old:1",
      "docker.io/library/old:2",
    ]);
    expect(loaded[0]).toMatchObject({ layers: 3 });
    expect(await namesIn(root, "blobs", "sha256")).toHaveLength(4);
    const broken = Buffer.from(bytes);
    broken.write("X", broken.indexOf(tar) + 512);
    expect((await failure(loadBytes(broken))).code).toBe("data_loss");
    await nothingIsLeft();
  });

  test.each(["none", "gzip", "zstd"])("an OCI archive is read, compressed with %s", async (compression) => {
    const tar = await readFile(await skopeoArchive("oci-archive:PATH:example.test/oci:3"));
    const bytes =
      compression === "none"
        ? tar
        : compression === "gzip"
          ? gzipSync(tar)
          : execFileSync("zstd", ["-q", "-c"], { input: tar, maxBuffer: 1 << 28 });
    expect(await loadBytes(bytes)).toMatchObject([{ reference: "example.test/oci:3", digest: image.digest }]);
  });

  test("a tar of a layout directory with a bare tag takes the caller's reference", async () => {
    const bytes = tarDirectory(layout.path);
    expect(await loadBytes(bytes, "example.test/dir:9")).toMatchObject([
      { reference: "example.test/dir:9", digest: image.digest },
    ]);
    const error = await failure(loadBytes(bytes));
    expect(error.code).toBe("invalid_spec");
    expect(error.message).toContain("main");
  });

  test("a nested index leads to this host's platform", async () => {
    const nested = await TestLayout.create(fresh("nested"));
    const here = await nested.image([layer("here")]);
    const there = await nested.image([layer("there")], "arm64");
    const index = await nested.index([
      { ...there, platform: { os: "linux", architecture: "arm64" } },
      { ...here, platform: { os: "linux", architecture: "amd64" } },
    ]);
    await nested.list(index, { "io.containerd.image.name": "docker.io/library/multi:1" });
    expect(await loadBytes(tarDirectory(nested.path))).toMatchObject([
      { reference: "docker.io/library/multi:1", digest: here.digest },
    ]);
    const store = await freshStore();
    const loaded = await store.loadLayout(nested.path, within(10_000));
    expect(loaded).toMatchObject([
      { reference: "docker.io/library/multi:1", digest: here.digest, layers: 1 },
    ]);
  });

  test("a layout for another platform alone is refused", async () => {
    const foreign = await TestLayout.create(fresh("foreign"));
    const there = await foreign.image([layer("there")], "arm64");
    await foreign.tag(there, "1");
    const error = await failure(loadBytes(tarDirectory(foreign.path), "x:1"));
    expect(error.code).toBe("not_found");
    expect(error.message).toContain("linux/arm64");
    await nothingIsLeft();
    expect(arm.digest).not.toBe(there.digest);
  });

  test("several images come in together, each under its name", async () => {
    const several = await TestLayout.create(fresh("several"));
    for (const name of ["one", "two"]) {
      const made = await several.image([layer(name)]);
      await several.list(made, { "org.opencontainers.image.ref.name": `example.test/${name}:1` });
    }
    const store = await freshStore();
    const loaded = await store.loadLayout(several.path, within(10_000));
    expect(loaded.map(({ reference }) => reference)).toEqual(["example.test/one:1", "example.test/two:1"]);
    expect(await store.list()).toEqual(loaded);
  });

  test("with both forms in an archive the index counts if it has the names", async () => {
    const path = fresh("both");
    const both = await TestLayout.create(path);
    const tar = tarOf({ both: "both" });
    const made = await both.image([{ tar, compression: "none" }]);
    const config = JSON.parse(
      await readFile(join(path, "blobs/sha256", made.digest.slice(7)), "utf8"),
    ).config;
    const saved = [
      {
        Config: `blobs/sha256/${config.digest.slice(7)}`,
        RepoTags: ["saved:1"],
        Layers: [`blobs/sha256/${digestOf(tar).slice(7)}`],
      },
    ];
    await writeFile(join(path, "manifest.json"), JSON.stringify(saved));
    await both.list(made, {});
    expect(await loadBytes(tarDirectory(path))).toMatchObject([{ reference: "docker.io/library/saved:1" }]);
    await both.list(made, { "io.containerd.image.name": "docker.io/library/indexed:1" });
    expect(await loadBytes(tarDirectory(path))).toMatchObject([
      { reference: "docker.io/library/indexed:1", digest: made.digest },
    ]);
  });

  test("a blob that is not what its name says is data loss", async () => {
    const path = fresh("spoiled");
    const spoiled = await TestLayout.create(path);
    const made = await spoiled.image([layer("spoiled")]);
    await spoiled.tag(made, "1");
    const manifest = JSON.parse(await readFile(join(path, "blobs/sha256", made.digest.slice(7)), "utf8"));
    const victim = join(path, "blobs/sha256", manifest.layers[0].digest.slice(7));
    const bytes = await readFile(victim);
    await writeFile(victim, Buffer.alloc(bytes.length));
    expect((await failure(loadBytes(tarDirectory(path), "x:1"))).code).toBe("data_loss");
    await nothingIsLeft();
    await writeFile(victim, bytes.subarray(1));
    expect((await failure(loadBytes(tarDirectory(path), "x:1"))).code).toBe("data_loss");
    await nothingIsLeft();
  });

  test("names in an archive never become paths on the host", async () => {
    const outside = fresh("outside");
    await mkdir(outside);
    const bytes = Buffer.concat([
      linkHeader("blobs", outside, "2"),
      tarOf({
        "blobs/sha256/evil": "evil",
        "../../escape": "evil",
        [`${outside.slice(1)}/x`]: "evil",
        "index.json": "{}",
      }),
    ]);
    expect((await failure(loadBytes(bytes, "x:1"))).code).toBe("data_loss");
    expect(await namesIn(outside)).toEqual([]);
    expect(await namesIn(workplace.path)).not.toContain("escape");
    await nothingIsLeft();
  });

  test.each([
    ["nothing at all", Buffer.alloc(0)],
    ["text", Buffer.from("hello ".repeat(500))],
    ["a tar of something else", tarOf({ "etc/passwd": "x" })],
    ["gzipped text", gzipSync("hello ".repeat(500))],
  ])("%s is not an image archive", async (_, bytes) => {
    expect((await failure(loadBytes(bytes, "x:1"))).code).toBe("invalid_spec");
    await nothingIsLeft();
  });

  test("a truncated archive is data loss", async () => {
    const bytes = await readFile(await skopeoArchive("oci-archive:PATH:example.test/oci:3"));
    const error = await failure(loadBytes(bytes.subarray(0, Math.floor(bytes.length / 2) + 100)));
    expect(error.code).toBe("data_loss");
    await nothingIsLeft();
  });

  test("an abort ends the wait for a source that hangs", async () => {
    const store = await freshStore();
    const controller = new AbortController();
    const start = tarOf({ "oci-layout": "{}" }).subarray(0, 700);
    const hanging = async function* () {
      yield start;
      await new Promise(() => {});
    };
    setTimeout(() => controller.abort(new Error("left")), 100);
    await expect(store.load(hanging(), undefined, ignore, controller.signal)).rejects.toThrow("left");
    await nothingIsLeft();
  });
});
