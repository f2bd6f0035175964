import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, type TestDescriptor, TestLayout } from "./support/layout.ts";
import { type RegistryProxy, startProxy } from "./support/proxy.ts";
import { push, startRegistry, upload } from "./support/registry.ts";
import { missingPrograms } from "./support/requirements.ts";
import { failure, listingDisks, namesIn, openStore, pullNow, ref, within } from "./support/store.ts";
import { tarOf } from "./support/tar.ts";
import { openWorkplace, type Workplace } from "./support/workplace.ts";

const missing = missingPrograms("docker-registry", "skopeo", "zstd");

describe.skipIf(missing)("pulling from a registry", () => {
  let workplace: Workplace;
  let registry: string;
  let proxy: RegistryProxy;
  let layout: TestLayout;
  let image: TestDescriptor;
  let stores = 0;
  const freshRoot = () => join(workplace.path, `store-${stores++}`);

  beforeAll(async () => {
    workplace = await openWorkplace();
    registry = await startRegistry(workplace);
    proxy = await startProxy(workplace, registry);
    layout = await TestLayout.create(join(workplace.path, "layout"));
    image = await layout.image([
      { tar: tarOf({ "etc/a": "a" }), compression: "gzip" },
      { tar: tarOf({ "etc/b": "b" }), compression: "zstd" },
      { tar: tarOf({ "etc/c": "c" }), compression: "none" },
    ]);
    await upload(layout.path, image, `${registry}/one`, "1");
    const gzipOnly = await layout.image([{ tar: tarOf({ x: "x" }), compression: "gzip" }]);
    await layout.tag(gzipOnly, "gzip");
    await push(layout.path, "gzip", `${registry}/docker:1`, "--format", "v2s2");
    const arm = await layout.image([{ tar: tarOf({ arch: "arm64" }), compression: "gzip" }], "arm64");
    const index = await layout.index([
      { ...arm, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
      { ...image, platform: { os: "linux", architecture: "amd64" } },
    ]);
    await upload(layout.path, index, `${registry}/index`, "1");
    const armOnly = await layout.index([
      { ...arm, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    ]);
    await upload(layout.path, armOnly, `${registry}/arm`, "1");
    await upload(layout.path, arm, `${registry}/arm-plain`, "1");
  });

  afterAll(async () => {
    await workplace[Symbol.asyncDispose]();
  });

  test("an image with gzip, zstd and plain layers arrives whole", async () => {
    const root = freshRoot();
    const store = await openStore(root);
    const stages: string[] = [];
    const pulled = await pullNow(store, ref(`${registry}/one:1`), (progress) => stages.push(progress.stage));
    expect(pulled).toMatchObject({
      reference: `${registry}/one:1`,
      digest: image.digest,
      layers: 3,
      createdAt: "2026-01-02T03:04:05Z",
      platform: "linux/amd64",
      config: {
        entrypoint: ["/init"],
        cmd: ["serve"],
        env: ["PATH=/bin"],
        user: "1000:1000",
        workingDir: "/srv",
        labels: { "dev.flintlock.kernel": "boot/vmlinux" },
      },
    });
    expect(stages[0]).toBe("resolve");
    expect(stages.at(-1)).toBe("done");
    expect(stages.filter((stage) => stage === "download").length).toBeGreaterThanOrEqual(3);
    const names = await namesIn(root, "blobs", "sha256");
    expect(names).toHaveLength(5);
    for (const name of names) {
      expect(digestOf(await readFile(join(root, "blobs", "sha256", name)))).toBe(`sha256:${name}`);
    }
    expect(await namesIn(root, "ingest")).toEqual([]);
  });

  test("a Docker schema 2 image arrives", async () => {
    const store = await openStore(freshRoot());
    expect(await pullNow(store, ref(`${registry}/docker:1`))).toMatchObject({ layers: 1 });
  });

  test("an index leads to the image for this platform, by tag and by digest", async () => {
    const store = await openStore(freshRoot());
    expect(await pullNow(store, ref(`${registry}/index:1`))).toMatchObject({ digest: image.digest });
    const byDigest = ref(`${registry}/one@${image.digest}`);
    expect(await pullNow(store, byDigest)).toMatchObject({ digest: image.digest, reference: byDigest });
  });

  test("an image for other platforms is refused with what there is", async () => {
    const store = await openStore(freshRoot());
    for (const name of ["arm", "arm-plain"]) {
      const error = await failure(pullNow(store, ref(`${registry}/${name}:1`)));
      expect(error.code).toBe("not_found");
      expect(error.message).toMatch(/linux\/amd64; it offers linux\/arm64/);
    }
    expect(await store.list()).toEqual([]);
  });

  test("an image that does not exist is not found", async () => {
    const store = await openStore(freshRoot());
    const error = await failure(pullNow(store, ref(`${registry}/nothing:1`)));
    expect(error.code).toBe("not_found");
    expect((await failure(pullNow(store, ref(`${registry}/one@${`sha256:${"0".repeat(64)}`}`)))).code).toBe(
      "not_found",
    );
  });

  test("plain http needs the registry to be listed, loopback too", async () => {
    const store = await openStore(freshRoot(), { insecureRegistries: ["127.0.0.2", "localhost"] });
    const error = await failure(pullNow(store, ref(`${registry}/one:1`)));
    expect(error.code).toBe("unavailable");
    expect(error.message).toMatch(/secure connection/);
  });

  test("a present image is pulled again without the network, unless always is meant", async () => {
    const root = freshRoot();
    const reference = ref(`${proxy.host}/one:1`);
    proxy.behave(() => false);
    const store = await openStore(root);
    await pullNow(store, reference);
    const asked = proxy.requests.length;
    const reopened = await openStore(root);
    expect(await pullNow(reopened, reference)).toMatchObject({ digest: image.digest });
    expect(proxy.requests.length).toBe(asked);
    await reopened.pull(reference, { policy: "always" }, within(10_000));
    expect(proxy.requests.length).toBe(asked + 1);
  });

  test("never does not pull", async () => {
    const store = await openStore(freshRoot());
    const work = store.pull(ref(`${registry}/one:1`), { policy: "never" }, within(10_000));
    const error = await failure(work);
    expect(error.code).toBe("not_found");
    expect(error.hint).toMatch(/pull/i);
  });

  test("a registry that is not there is unavailable", async () => {
    const store = await openStore(freshRoot());
    const error = await failure(pullNow(store, ref("127.0.0.1:1/one:1")));
    expect(error.code).toBe("unavailable");
  });

  test("a moved tag leaves the old image usable by digest while it is kept", async () => {
    const root = freshRoot();
    const store = await openStore(root, { disks: listingDisks() });
    const moving = `${registry}/moving:1`;
    await upload(layout.path, image, `${registry}/moving`, "1");
    const old = await pullNow(store, ref(moving));
    await store.baseDisk(old.digest, undefined, within(10_000));
    const other = await layout.image([{ tar: tarOf({ new: "new" }), compression: "gzip" }]);
    await upload(layout.path, other, `${registry}/moving`, "1");
    const next = await store.pull(ref(moving), { policy: "always" }, within(10_000));
    expect(next.digest).toBe(other.digest);
    expect(await store.find(ref(moving))).toMatchObject({ digest: next.digest });

    expect(await store.prune(new Set([old.digest]))).toBe(0);
    const found = await store.find(old.digest);
    expect(found).toMatchObject({ digest: old.digest, reference: `${registry}/moving@${old.digest}` });
    expect(await store.find(ref(`${registry}/moving@${old.digest}`))).toMatchObject({ digest: old.digest });

    expect(await store.prune(new Set())).toBeGreaterThan(0);
    expect(await store.find(old.digest)).toBeUndefined();
    expect(await store.find(next.digest)).toMatchObject({ digest: next.digest });
    expect(await namesIn(root, "disks")).toEqual([]);
    expect(await namesIn(root, "blobs", "sha256")).toHaveLength(3);
  });

  test("remove drops the reference and prune the content", async () => {
    const root = freshRoot();
    const store = await openStore(root);
    const reference = ref(`${registry}/one:1`);
    await pullNow(store, reference);
    expect((await store.list()).map((listed) => listed.reference)).toEqual([reference]);
    await store.remove(reference);
    expect(await store.list()).toEqual([]);
    expect((await failure(store.remove(reference))).code).toBe("not_found");
    expect(await store.prune(new Set())).toBeGreaterThan(0);
    for (const folder of ["refs", "origins", "disks", "files", "ingest"]) {
      expect(await namesIn(root, folder)).toEqual([]);
    }
    expect(await namesIn(root, "blobs", "sha256")).toEqual([]);
  });

  test("disks and files are made once each, and found again later", async () => {
    const root = freshRoot();
    const disks = listingDisks();
    const store = await openStore(root, { disks });
    const { digest } = await pullNow(store, ref(`${registry}/one:1`));
    const signal = within(10_000);
    const [first, second] = await Promise.all([
      store.baseDisk(digest, undefined, signal),
      store.baseDisk(digest, undefined, signal),
    ]);
    expect(second).toEqual(first);
    await store.baseDisk(digest, 64, signal);
    const file = await store.file(digest, "/etc/../etc/a".replace("/etc/..", ""), signal);
    expect(await store.file(digest, "./etc//a", signal)).toBe(file);
    expect((await readFile(file, "utf8")).split("\n")[0]).toBe("file etc/a");
    expect(disks.made.sort()).toEqual(["disk 64", "disk undefined", "file etc/a"]);
    const later = listingDisks();
    const reopened = await openStore(root, { disks: later });
    expect(await reopened.baseDisk(digest, undefined, signal)).toEqual(first);
    expect(later.made).toEqual([]);
    expect((await failure(reopened.file(digest, "../../etc/passwd", signal))).code).toBe("invalid_spec");
    const unknown = digestOf(Buffer.from("unknown"));
    expect((await failure(reopened.baseDisk(unknown, undefined, signal))).code).toBe("not_found");
  });
});
