/** A real registry (Debian's docker-registry) on a free loopback port, and skopeo to fill it. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestDescriptor } from "./layout.ts";
import type { Workplace } from "./workplace.ts";

const START_TIMEOUT_MS = 15_000;
const runFile = promisify(execFile);

/** Starts it and returns its `host:port`. */
export const startRegistry = async (workplace: Workplace): Promise<string> => {
  const port = await freePort();
  const config = join(workplace.path, "registry.yml");
  const storage = join(workplace.path, "registry");
  await writeFile(
    config,
    [
      "version: 0.1",
      "log: { level: error }",
      `storage: { filesystem: { rootdirectory: ${JSON.stringify(storage)} }, delete: { enabled: true } }`,
      `http: { addr: "127.0.0.1:${port}" }`,
    ].join("\n"),
  );
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  workplace.defer(async () => {
    const gone = once(child, "exit");
    if (child.kill("SIGKILL")) await gone;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (await answers(`http://127.0.0.1:${port}/v2/`)) return `127.0.0.1:${port}`;
    if (Date.now() > deadline) throw new Error("docker-registry did not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

export const skopeo = async (...args: readonly string[]): Promise<void> => {
  await runFile("skopeo", ["--insecure-policy", ...args]);
};

/** Copies `layout:tag` to `registry/name` as skopeo likes it: it compresses plain layers on the way. */
export const push = async (
  layout: string,
  tag: string,
  target: string,
  ...options: readonly string[]
): Promise<void> => {
  await skopeo(
    "copy",
    "-q",
    "--dest-tls-verify=false",
    ...options,
    `oci:${layout}:${tag}`,
    `docker://${target}`,
  );
};

/** Uploads a manifest and all it leads to byte for byte, under a tag (distribution spec, push). */
export const upload = async (
  layout: string,
  descriptor: TestDescriptor,
  repository: string,
  tag: string,
): Promise<void> => {
  const bytes = await readFile(join(layout, "blobs", "sha256", descriptor.digest.slice(7)));
  const document: Uploaded = JSON.parse(bytes.toString());
  for (const child of document.manifests ?? []) await upload(layout, child, repository, child.digest);
  for (const blob of [...(document.config ? [document.config] : []), ...(document.layers ?? [])]) {
    await uploadBlob(layout, blob, repository);
  }
  const url = `${api(repository)}/manifests/${tag}`;
  await sent(url, { method: "PUT", headers: { "content-type": descriptor.mediaType }, body: bytes });
};

interface Uploaded {
  readonly config?: TestDescriptor;
  readonly layers?: readonly TestDescriptor[];
  readonly manifests?: readonly TestDescriptor[];
}

const uploadBlob = async (layout: string, { digest }: TestDescriptor, repository: string): Promise<void> => {
  const bytes = await readFile(join(layout, "blobs", "sha256", digest.slice(7)));
  const started = await sent(`${api(repository)}/blobs/uploads/`, { method: "POST" });
  const place = new URL(started.headers.get("location") ?? "", api(repository));
  place.searchParams.set("digest", digest);
  await sent(place.href, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: bytes,
  });
};

const api = (repository: string): string => {
  const slash = repository.indexOf("/");
  return `http://${repository.slice(0, slash)}/v2${repository.slice(slash)}`;
};

const sent = async (url: string, init: RequestInit): Promise<Response> => {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
};

const answers = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
};
