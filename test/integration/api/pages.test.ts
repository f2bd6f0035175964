import { FlintlockError, silentLog } from "@flintlock/core";
import { expect, test } from "vitest";
import type { Page } from "../../../packages/daemon/src/adapters/api/http/pages.ts";
import { serveApi } from "../../../packages/daemon/src/adapters/api/server.ts";
import { fakeUseCases } from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";

const pages: readonly Page[] = [
  {
    path: "/healthz",
    access: { kind: "public", serve: async () => ({ contentType: "text/plain", body: "ok\n" }) },
  },
  {
    path: "/machine/{name}",
    access: {
      kind: "caller",
      serve: async ({ name }, { caller }) => ({
        contentType: "text/plain",
        body: `${name} for ${caller.name}`,
      }),
    },
  },
];

test("a public page asks nobody, another asks who calls, and both answer GET and HEAD alone", async () => {
  const api = await serveApi({
    useCases: () => fakeUseCases(),
    listeners: [
      {
        name: "http",
        where: { kind: "tcp", address: "localhost:0" },
        protocol: "http",
        authenticate: ({ authorization }) => {
          if (authorization === "Bearer good") return { name: "eve", role: "viewer", namespaces: "all" };
          throw new FlintlockError("unauthenticated", "no token");
        },
      },
    ],
    pages,
    log: silentLog,
  });
  const url = `http://${api.addresses["http"]}`;
  const headers = { authorization: "Bearer good" };
  expect(await (await fetch(`${url}/healthz`)).text()).toBe("ok\n");
  expect((await fetch(`${url}/machine/web`)).status).toBe(401);
  expect(await (await fetch(`${url}/machine/web`, { headers })).text()).toBe("web for eve");
  const head = await fetch(`${url}/machine/web`, { headers, method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "11", ""]);
  expect((await fetch(`${url}/healthz`, { method: "POST" })).status).toBe(405);
  await api.close(100);
});
