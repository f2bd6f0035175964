/** The debug endpoint, on a real port. */
import { request } from "node:http";
import { silentLog } from "@flintlock/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type DebugServer,
  openDebugServer,
} from "../../../packages/daemon/src/adapters/debug/debug-server.ts";

let server: DebugServer;
const options = {
  host: "127.0.0.1",
  port: 0,
  pages: [{ path: "/metrics", serve: async () => ({ contentType: "text/plain", body: "up 1\n" }) }],
  onFailed: () => undefined,
  log: silentLog,
};
beforeAll(async () => {
  server = await openDebugServer(options);
});
afterAll(() => server.close());

const get = async (path: string) => {
  const response = await fetch(`http://${server.address}${path}`);
  return { status: response.status, text: await response.text() };
};

const getAs = (headers: Record<string, string>, method = "GET"): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(`http://${server.address}/metrics`, { headers, method }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });

test("pages that it was given are there, and an index of all", async () => {
  expect(await get("/metrics")).toEqual({ status: 200, text: "up 1\n" });
  expect((await get("/debug/pprof/")).text).toContain("/debug/pprof/heap");
  expect((await get("/etc/passwd")).status).toBe(404);
});

test("a CPU profile names functions, takes as long as asked, and comes alone", async () => {
  const first = get("/debug/pprof/profile?seconds=1");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await get("/debug/pprof/profile?seconds=1")).toEqual({
    status: 429,
    text: "another profile is being taken: try again later\n",
  });
  const { status, text } = await first;
  expect(status).toBe(200);
  const { nodes, startTime, endTime } = JSON.parse(text);
  expect(nodes.length).toBeGreaterThan(2);
  expect(endTime - startTime).toBeGreaterThan(900_000);
});

test.each(["0", "61", "-1", "1.5", "x", "1000"])("a profile of %s seconds is refused", async (seconds) => {
  expect((await get(`/debug/pprof/profile?seconds=${seconds}`)).status).toBe(400);
});

test("a heap snapshot is one", async () => {
  const { status, text } = await get("/debug/pprof/heap");
  expect(status).toBe(200);
  expect(JSON.parse(text).snapshot.node_count).toBeGreaterThan(1000);
});

test("a web page that points its name here is refused, and so is anything but GET", async () => {
  expect(await getAs({ host: "evil.test" })).toBe(403);
  expect(await getAs({ host: "127.0.0.1.evil.test" })).toBe(403);
  expect(await getAs({ origin: "http://evil.test" })).toBe(403);
  expect(await getAs({}, "POST")).toBe(405);
  expect(await getAs({ host: "localhost:1" })).toBe(200);
});

test("a port in use is told, and a close ends what is open", async () => {
  const port = Number(server.address.split(":")[1]);
  await expect(openDebugServer({ ...options, port })).rejects.toMatchObject({ code: "failed_precondition" });
  const other = await openDebugServer(options);
  const profile = fetch(`http://${other.address}/debug/pprof/profile?seconds=60`).catch(() => "cut");
  await new Promise((resolve) => setTimeout(resolve, 200));
  await other.close();
  expect(await profile).toBe("cut");
});
