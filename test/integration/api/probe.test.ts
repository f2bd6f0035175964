/** Probe, readiness and expiry as they travel over HTTP. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Fixture, startFixture } from "./fixture.ts";

let f: Fixture;
beforeAll(async () => {
  f = await startFixture();
});
afterAll(() => f[Symbol.asyncDispose]());

const post = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(`${f.httpUrl}${path}`, { method: "POST", body: JSON.stringify(body), ...(signal && { signal }) });

test("a probe answers line by line, and ends when all is met", async () => {
  const response = await post("/v1/microvms/web-0:probe", { conditions: ["agent", "tcp:80"] });
  const lines = (await response.text()).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).result)).toEqual([
    { condition: "agent", met: true, seen: "seen" },
    { condition: "tcp:80", met: true, seen: "seen" },
  ]);
});

test("a probe ends with its client", async () => {
  const ended = f.core.ended.count;
  const leaving = new AbortController();
  const response = await post("/v1/microvms/web-0:probe", { conditions: ["ssh"] }, leaving.signal);
  const reader = response.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('"met":false');
  leaving.abort();
  await expect.poll(() => f.core.ended.count).toBe(ended + 1);
});

test("what makes a microVM ready, and when its time is over, reach the core", async () => {
  const response = await post("/v1/microvms", {
    microvm: { id: "app" },
    readyWhen: { conditions: ["agent"], timeoutSeconds: 9 },
    expiry: { ttlSeconds: 60, action: "STOP" },
  });
  expect(response.status).toBe(200);
  expect(f.core.created.at(-1)?.extension).toMatchObject({
    readyWhen: { conditions: ["agent"], timeoutSeconds: 9 },
    expiry: { ttlSeconds: 60, idleSeconds: 0, action: "stop" },
  });
});
