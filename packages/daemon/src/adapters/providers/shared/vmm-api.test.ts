import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askVmm } from "./vmm-api.ts";

const never = new AbortController().signal;
const SOCKET = "vmm.sock";

let root: string;
let directory: string;
let server: Server | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "vmm-api-"));
  directory = join(root, "d".repeat(120));
  await mkdir(directory);
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await rm(root, { recursive: true });
});

const serve = async (listener: RequestListener): Promise<void> => {
  const home = process.cwd();
  server = createServer(listener);
  try {
    process.chdir(directory);
    await new Promise<void>((resolve) => server?.listen(SOCKET, resolve));
  } finally {
    process.chdir(home);
  }
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
};

describe("askVmm", () => {
  test("sends JSON on a connection of its own, in a directory of any length, and reads the answer", async () => {
    const seen: unknown[] = [];
    await serve(async (request, response) => {
      const { method, url, headers } = request;
      seen.push([method, url, headers["content-type"], headers.connection, await textOf(request)]);
      response.end(method === "GET" ? '{"state":"Not started"}' : undefined);
    });
    expect(await askVmm(directory, SOCKET, { method: "GET", path: "/" }, never)).toEqual({
      state: "Not started",
    });
    const body = { state: "Paused", name: "ü" };
    expect(await askVmm(directory, SOCKET, { method: "PATCH", path: "/vm", body }, never)).toBeUndefined();
    expect(await askVmm(directory, SOCKET, { method: "PUT", path: "/vm.boot" }, never)).toBeUndefined();
    expect(seen).toEqual([
      ["GET", "/", undefined, "close", ""],
      ["PATCH", "/vm", "application/json", "close", JSON.stringify(body)],
      ["PUT", "/vm.boot", undefined, "close", ""],
    ]);
  });

  test.each([
    ['{"fault_message":"Drive \\u001b[31mroot"}', "Drive  [31mroot"],
    ['["The VM could not boot","No such file"]', "The VM could not boot: No such file"],
    ["The VM could not boot", "The VM could not boot"],
    [`"${"x".repeat(5000)}"`, `"${"x".repeat(999)}`],
  ])("what the VMM says is the refusal's cause, printable and bounded: %j", async (answer, words) => {
    await serve((_, response) => response.writeHead(400).end(answer));
    const asked = askVmm(directory, SOCKET, { method: "PUT", path: "/drives/root", body: {} }, never);
    await expect(asked).rejects.toMatchObject({
      code: "provider_failed",
      message: "the VMM refused PUT /drives/root",
      detail: { status: 400 },
      cause: expect.objectContaining({ message: words }),
    });
  });

  test.each([
    ["without end", (response: { write(text: string): void }) => response.write("x".repeat(2 ** 20 + 1))],
    ["that is not JSON", (response: { end(text: string): void }) => response.end("<html>")],
  ] as const)("an answer %s is refused", async (_, answer) => {
    await serve((__, response) => void answer(response));
    const asked = askVmm(directory, SOCKET, { method: "GET", path: "/" }, never);
    await expect(asked).rejects.toMatchObject({ code: "provider_failed" });
  });

  test("a VMM that is absent, hangs up or hangs is told apart, and the caller may leave", async () => {
    const get = { method: "GET", path: "/" } as const;
    await expect(askVmm(directory, SOCKET, get, never)).rejects.toMatchObject({ code: "unavailable" });
    await serve((request) => {
      if (request.url === "/") request.socket.destroy();
    });
    await expect(askVmm(directory, SOCKET, get, never)).rejects.toMatchObject({ code: "unavailable" });
    const hang = { method: "GET", path: "/hang", timeoutMs: 50 } as const;
    await expect(askVmm(directory, SOCKET, hang, never)).rejects.toMatchObject({ code: "deadline_exceeded" });
    const caller = new AbortController();
    const asked = askVmm(directory, SOCKET, { method: "GET", path: "/hang" }, caller.signal);
    setTimeout(() => caller.abort(new Error("enough")), 20);
    await expect(asked).rejects.toThrow("enough");
  });

  test("no connection is left behind", async () => {
    await serve((_, response) => response.end("{}"));
    await askVmm(directory, SOCKET, { method: "GET", path: "/" }, never);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const open = await new Promise<number>((resolve) => server?.getConnections((_, count) => resolve(count)));
    expect(open).toBe(0);
  });
});
