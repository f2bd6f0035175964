/** The page in a real browser: read, filled in, sent. */
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Started, startSimulated } from "../../compat/start-daemon.ts";

const CHROMIUM = "/usr/bin/chromium";
/** It runs as root in CI, and has nobody to call. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const isMissing = await access(CHROMIUM).then(
  () => false,
  () => true,
);
if (isMissing) console.warn(`SKIPPED: not installed: ${CHROMIUM}`);

describe.skipIf(isMissing)("the page at /docs", () => {
  let started: Started;
  let profile: string;
  let browser: BrowserContext;
  let page: Page;
  const complaints: string[] = [];
  const requested = new Set<string>();

  beforeAll(async () => {
    started = await startSimulated();
    profile = await mkdtemp(join(tmpdir(), "flintlock-chromium-"));
    const options = { executablePath: CHROMIUM, headless: true, args: FLAGS };
    browser = await chromium.launchPersistentContext(profile, options);
    page = await browser.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("request", (request) => requested.add(new URL(request.url()).host));
    await page.goto(`http://${started.endpoints.http}/docs`);
    await page.waitForSelector(".card");
  });
  afterAll(async () => {
    await browser?.close();
    if (profile !== undefined) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    await started?.daemon[Symbol.asyncDispose]();
  });

  const card = (id: string) => page.locator(`[id="${id}"]`);
  const openCard = (id: string) => page.click(`nav a[href="#${id}"]`);
  const send = async (id: string): Promise<string> => {
    await card(id).getByRole("button", { name: "Send" }).click();
    const status = card(id).getByRole("status");
    await expect.poll(() => status.textContent(), { timeout: 10_000 }).toMatch(/^\d{3} /);
    return (await status.textContent()) ?? "";
  };

  test("lists every operation and every schema", async () => {
    const response = await fetch(`http://${started.endpoints.http}/openapi.json`);
    const { paths, components } = (await response.json()) as {
      readonly paths: Record<string, Record<string, { readonly operationId: string }>>;
      readonly components: { readonly schemas: object };
    };
    const ids = Object.values(paths).flatMap((verbs) =>
      Object.values(verbs).map(({ operationId }) => operationId),
    );
    const shown = await page.locator(".card").evaluateAll((cards) => cards.map(({ id }) => id));
    expect(new Set(shown)).toEqual(new Set([...ids, ...Object.keys(components.schemas)]));
  });

  test("makes a microVM from the body it proposes, and lists it", async () => {
    await openCard("MicroVMs_Create");
    expect(await send("MicroVMs_Create")).toMatch(/^200 OK/);
    const made = JSON.parse((await card("MicroVMs_Create").locator("pre").first().textContent()) ?? "");
    await openCard("MicroVMs_Get");
    await card("MicroVMs_Get").getByLabel("target").fill(made.microvm.spec.uid);
    expect(await send("MicroVMs_Get")).toMatch(/^200 OK/);
    expect(await card("MicroVMs_Get").locator("pre").first().textContent()).toContain(made.microvm.spec.uid);
  });

  test("shows a refusal as what it is, and the command that does the same", async () => {
    await openCard("MicroVM_DeleteMicroVM");
    await card("MicroVM_DeleteMicroVM").getByLabel("uid").fill("no/body");
    expect(await send("MicroVM_DeleteMicroVM")).toMatch(/^404 /);
    await card("MicroVM_DeleteMicroVM").getByText("As a command").click();
    const command = await card("MicroVM_DeleteMicroVM").locator("pre").last().textContent();
    expect(command).toBe(`curl -X DELETE 'http://${started.endpoints.http}/v1alpha1/microvm/no%2Fbody'`);
  });

  test("shows a stream line by line", async () => {
    await openCard("Host_Check");
    expect(await send("Host_Check")).toMatch(/^200 OK/);
    await expect.poll(() => card("Host_Check").locator("pre").first().textContent()).toContain('"result"');
  });

  test("finds by name, path and word", async () => {
    await page.fill("#find", "console output");
    expect(await page.locator(".card:visible").evaluateAll((cards) => cards.map(({ id }) => id))).toEqual([
      "MicroVMs_Logs",
    ]);
    await page.fill("#find", "");
  });

  test("asked nobody but the daemon, and broke no rule of its own", () => {
    expect([...requested]).toEqual([started.endpoints.http]);
    // The browser's own line about an answer that is not 2xx
    expect(complaints.filter((text) => !/the server responded with a status of 404/.test(text))).toEqual([]);
  });
});
