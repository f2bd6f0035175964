import { randomBytes } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDescriptor, TestLayout } from "./support/layout.ts";
import { cutHalfWay, type RegistryProxy, reply, startProxy } from "./support/proxy.ts";
import { startRegistry, upload } from "./support/registry.ts";
import { missingPrograms } from "./support/requirements.ts";
import { failure, namesIn, openStore, pullNow, ref, within } from "./support/store.ts";
import { tarOf } from "./support/tar.ts";
import { openWorkplace, type Workplace } from "./support/workplace.ts";

const missing = missingPrograms("docker-registry");
const LAYER_BYTES = 3 * 1024 * 1024;

describe.skipIf(missing)("a registry that misbehaves", () => {
  let workplace: Workplace;
  let proxy: RegistryProxy;
  let other: RegistryProxy;
  let image: TestDescriptor;
  let layer: TestDescriptor;
  let blobFile: string;
  let root = "";
  let stores = 0;
  const freshStore = (options: Parameters<typeof openStore>[1] = {}) => {
    root = join(workplace.path, `store-${stores++}`);
    return openStore(root, options);
  };
  const reference = () => ref(`${proxy.host}/big:1`);
  const isLayer = (path: string) => path.endsWith(layer.digest);
  const nothingIsKept = async () => {
    expect(await namesIn(root, "ingest")).toEqual([]);
    expect(await namesIn(root, "refs")).toEqual([]);
    expect(await namesIn(root, "blobs", "sha256")).not.toContain(layer.digest.slice(7));
  };

  beforeAll(async () => {
    workplace = await openWorkplace();
    const registry = await startRegistry(workplace);
    proxy = await startProxy(workplace, registry);
    other = await startProxy(workplace, registry);
    const layout = await TestLayout.create(join(workplace.path, "layout"));
    const tar = tarOf({ noise: randomBytes(LAYER_BYTES) });
    image = await layout.image([{ tar, compression: "none" }]);
    const manifest = JSON.parse(
      await readFile(join(layout.path, "blobs/sha256", image.digest.slice(7)), "utf8"),
    );
    layer = manifest.layers[0];
    blobFile = join(layout.path, "blobs/sha256", layer.digest.slice(7));
    await upload(layout.path, image, `${registry}/big`, "1");
  });

  afterAll(async () => {
    await workplace[Symbol.asyncDispose]();
  });

  test("a transfer that is cut goes on where it broke off", async () => {
    let cuts = 0;
    const ranges: (string | undefined)[] = [];
    proxy.behave(async (request, response, upstream) => {
      if (!isLayer(request.path)) return false;
      ranges.push(request.headers.range);
      if (cuts++ >= 3) return false;
      cutHalfWay(await upstream(), response);
      return true;
    });
    const store = await freshStore();
    expect(await pullNow(store, reference())).toMatchObject({ digest: image.digest });
    expect(ranges[0]).toBeUndefined();
    expect(ranges).toHaveLength(4);
    const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(new Set(starts).size).toBe(3);
  });

  test("a later pull goes on where an earlier one was given up", async () => {
    proxy.behave(async (request, response, upstream) => {
      if (!isLayer(request.path)) return false;
      cutHalfWay(await upstream(), response);
      return true;
    });
    const store = await freshStore({ network: { maxTries: 1 } });
    expect((await failure(pullNow(store, reference()))).code).toBe("unavailable");
    expect(await namesIn(root, "ingest")).toEqual([`sha256-${layer.digest.slice(7)}.partial`]);
    let range: string | undefined;
    proxy.behave((request) => {
      if (isLayer(request.path)) range = request.headers.range;
      return false;
    });
    const reopened = await openStore(root);
    expect(await pullNow(reopened, reference())).toMatchObject({ digest: image.digest });
    expect(Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1])).toBeGreaterThan(LAYER_BYTES / 4);
    expect(await namesIn(root, "ingest")).toEqual([]);
  });

  test("a partial file that a power cut spoiled is fetched again", async () => {
    const store = await freshStore();
    const partial = join(root, "ingest", `sha256-${layer.digest.slice(7)}.partial`);
    await writeFile(partial, Buffer.alloc(1000));
    await truncate(partial, LAYER_BYTES / 2);
    proxy.behave(() => false);
    expect(await pullNow(store, reference())).toMatchObject({ digest: image.digest });
  });

  test("a registry that ignores ranges sends the blob from the start", async () => {
    let cuts = 0;
    proxy.behave(async (request, response) => {
      if (!isLayer(request.path)) return false;
      const body = await readFile(blobFile);
      const whole = { status: 200, headers: { "content-length": String(body.length) }, body };
      if (cuts++ < 2) cutHalfWay(whole, response);
      else reply(response, whole);
      return true;
    });
    expect(await pullNow(await freshStore(), reference())).toMatchObject({ digest: image.digest });
    expect(cuts).toBe(3);
  });

  test("another range than was asked for is not believed", async () => {
    let answers = 0;
    proxy.behave(async (request, response, upstream) => {
      if (!isLayer(request.path)) return false;
      if (answers++ === 0) cutHalfWay(await upstream(), response);
      else if (request.headers.range === undefined) return false;
      else {
        const body = (await readFile(blobFile)).subarray(10);
        const range = `bytes 10-${LAYER_BYTES}/${layer.size}`;
        reply(response, { status: 206, headers: { "content-range": range }, body });
      }
      return true;
    });
    expect(await pullNow(await freshStore(), reference())).toMatchObject({ digest: image.digest });
  });

  test.each([
    ["of a wrong digest", (body: Buffer) => body.fill(7, 100, 200)],
    ["that is too short", (body: Buffer) => body.subarray(0, 1000)],
    ["that is too long", (body: Buffer) => Buffer.concat([body, Buffer.from("more")])],
  ])("a blob %s is data loss and leaves nothing", async (_, change) => {
    for (const isChunked of [false, true]) {
      proxy.behave(async (request, response) => {
        if (!isLayer(request.path)) return false;
        const body = change(await readFile(blobFile));
        const headers: Record<string, string> = isChunked ? {} : { "content-length": String(body.length) };
        reply(response, { status: 200, headers, body });
        return true;
      });
      const store = await freshStore();
      expect((await failure(pullNow(store, reference()))).code).toBe("data_loss");
      await nothingIsKept();
      expect(await store.find(reference())).toBeUndefined();
    }
  });

  test("an endless blob is cut off at the promised size", async () => {
    let sent = 0;
    proxy.behave((request, response) => {
      if (!isLayer(request.path)) return false;
      response.writeHead(200);
      const chunk = randomBytes(64 * 1024);
      const pump = () => {
        sent += chunk.length;
        if (!response.destroyed) response.write(chunk, () => setImmediate(pump));
      };
      pump();
      return true;
    });
    const store = await freshStore();
    expect((await failure(pullNow(store, reference()))).code).toBe("data_loss");
    await nothingIsKept();
    expect(sent).toBeLessThan(LAYER_BYTES * 20);
  });

  test("an endless manifest is cut off", async () => {
    proxy.behave((request, response) => {
      if (request.kind !== "manifests") return false;
      response.writeHead(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" });
      const chunk = Buffer.alloc(64 * 1024, " ");
      const pump = () => {
        if (!response.destroyed) response.write(chunk, () => setImmediate(pump));
      };
      pump();
      return true;
    });
    expect((await failure(pullNow(await freshStore(), reference()))).code).toBe("data_loss");
  });

  test("a manifest that is not what its digest says is data loss", async () => {
    proxy.behave(async (request, response, upstream) => {
      if (request.kind !== "manifests") return false;
      const { status, headers, body } = await upstream();
      const changed = Buffer.concat([body, Buffer.from(" ")]);
      reply(response, {
        status,
        headers: { ...headers, "content-length": String(changed.length) },
        body: changed,
      });
      return true;
    });
    const store = await freshStore();
    expect((await failure(pullNow(store, reference()))).code).toBe("data_loss");
    expect((await failure(pullNow(store, ref(`${proxy.host}/big@${image.digest}`)))).code).toBe("data_loss");
  });

  test("silence within a body is not waited for for ever", async () => {
    let silences = 0;
    proxy.behave(async (request, response, upstream) => {
      if (!isLayer(request.path) || silences++ > 0) return false;
      const { status, headers, body } = await upstream();
      response.writeHead(status, headers);
      response.write(body.subarray(0, 1000));
      return true;
    });
    const store = await freshStore({ network: { idleTimeoutMs: 200 } });
    expect(await pullNow(store, reference())).toMatchObject({ digest: image.digest });
    expect(silences).toBe(2);
  });

  test("a registry that never answers is unavailable", async () => {
    proxy.behave(() => true);
    const store = await freshStore({ network: { responseTimeoutMs: 100, maxTries: 2 } });
    const error = await failure(pullNow(store, reference()));
    expect(error.code).toBe("unavailable");
    expect(proxy.requests).toHaveLength(2);
  });

  test("a busy registry is asked again when it says so", async () => {
    let refusals = 0;
    const times: number[] = [];
    proxy.behave((request, response) => {
      if (request.kind !== "manifests") return false;
      times.push(performance.now());
      if (refusals++ > 0) return false;
      reply(response, { status: 429, headers: { "retry-after": "1" }, body: Buffer.from("busy") });
      return true;
    });
    const store = await freshStore({ network: { maxDelayMs: 5000 } });
    expect(await pullNow(store, reference())).toMatchObject({ digest: image.digest });
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  test("a registry that stays broken is unavailable after a few tries", async () => {
    proxy.behave((_, response) => {
      reply(response, { status: 503, headers: {}, body: Buffer.alloc(0) });
      return true;
    });
    const error = await failure(pullNow(await freshStore(), reference()));
    expect(error.code).toBe("unavailable");
    expect(error.message).toContain("503");
    expect(proxy.requests).toHaveLength(5);
  });

  test("a redirect to another host is followed without the authorization", async () => {
    other.behave(() => false);
    proxy.behave((request, response) => {
      if (request.headers.authorization === undefined) {
        reply(response, {
          status: 401,
          headers: { "www-authenticate": 'Basic realm="x"' },
          body: Buffer.alloc(0),
        });
      } else if (request.kind === "blobs") {
        const location = `http://${other.host}${request.url}`;
        reply(response, { status: 307, headers: { location }, body: Buffer.alloc(0) });
      } else return false;
      return true;
    });
    const dockerConfigPath = join(workplace.path, "basic.json");
    const auth = Buffer.from("ann:secret").toString("base64");
    await writeFile(dockerConfigPath, JSON.stringify({ auths: { [proxy.host]: { auth } } }));
    const store = await freshStore({ dockerConfigPath });
    expect(await pullNow(store, reference())).toMatchObject({ digest: image.digest });
    expect(other.requests).toHaveLength(2);
    for (const request of other.requests) expect(request.headers.authorization).toBeUndefined();
    expect(proxy.requests.at(-1)?.headers.authorization).toBe(`Basic ${auth}`);
  });

  test("a redirect to plain http elsewhere, or in a circle, is refused", async () => {
    let location = `http://localhost:${other.host.split(":")[1]}/`;
    proxy.behave((_, response) => {
      reply(response, { status: 302, headers: { location }, body: Buffer.alloc(0) });
      return true;
    });
    expect((await failure(pullNow(await freshStore(), reference()))).code).toBe("permission_denied");
    location = "/v2/big/manifests/1";
    const error = await failure(pullNow(await freshStore(), reference()));
    expect(error.code).toBe("unavailable");
    expect(error.message).toContain("redirects");
  });

  test("pulls of one reference share one transfer, and one that leaves does not end it", async () => {
    proxy.behave(async (request) => {
      if (isLayer(request.path)) await new Promise((resolve) => setTimeout(resolve, 200));
      return false;
    });
    const store = await freshStore();
    const leaving = new AbortController();
    const options = { policy: "missing" } as const;
    const all = [
      store.pull(reference(), options, leaving.signal),
      store.pull(reference(), options, within(10_000)),
      store.pull(reference(), { policy: "always" }, within(10_000)),
    ];
    setTimeout(() => leaving.abort(new Error("left")), 100);
    const [left, ...stayed] = await Promise.allSettled(all);
    expect(left).toMatchObject({ status: "rejected", reason: new Error("left") });
    for (const end of stayed)
      expect(end).toMatchObject({ status: "fulfilled", value: { digest: image.digest } });
    expect(proxy.requests.filter(({ path }) => isLayer(path))).toHaveLength(1);
  });

  test("a transfer that nobody waits for any more is given up and keeps what it has", async () => {
    let isClosed = false;
    proxy.behave(async (request, response, upstream) => {
      if (!isLayer(request.path)) return false;
      const { status, headers, body } = await upstream();
      response.writeHead(status, headers);
      response.write(body.subarray(0, LAYER_BYTES / 2));
      response.on("close", () => {
        isClosed = true;
      });
      return true;
    });
    const store = await freshStore();
    const controller = new AbortController();
    const work = store.pull(
      reference(),
      {
        policy: "missing",
        onProgress: ({ stage, doneBytes }) => {
          if (stage === "download" && doneBytes > 0) controller.abort(new Error("enough"));
        },
      },
      controller.signal,
    );
    await expect(work).rejects.toThrow("enough");
    await expect.poll(() => isClosed).toBe(true);
    await expect.poll(() => namesIn(root, "ingest")).toHaveLength(1);
    proxy.behave(() => false);
    expect(await pullNow(store, reference())).toMatchObject({ digest: image.digest });
    expect(proxy.requests.find(({ path }) => isLayer(path))?.headers.range).toMatch(/^bytes=\d+-$/);
  });

  test("a layer that rotted in the store is noticed when it is used, and a pull mends it", async () => {
    proxy.behave(() => false);
    const { FlintlockError } = await import("@flintlock/core");
    const store = await freshStore({
      disks: {
        writeDisk: () => Promise.reject(new FlintlockError("data_loss", "diffId")),
        extractFile: () => Promise.reject(new FlintlockError("data_loss", "diffId")),
      },
    });
    const { digest } = await pullNow(store, reference());
    const path = join(root, "blobs", "sha256", layer.digest.slice(7));
    await writeFile(path, Buffer.alloc(layer.size));
    const error = await failure(store.baseDisk(digest, undefined, within(5000)));
    expect(error.code).toBe("data_loss");
    expect(error.message).toContain("damaged");
    expect(await store.find(reference())).toBeUndefined();
    expect(await pullNow(store, reference())).toMatchObject({ digest });
  });
});
