/** `/healthz` and `/readyz`: for load balancers and people, so without credentials and without details of the host. */
import type { Readiness } from "../readiness.ts";
import type { Page, PageReply } from "./pages.ts";

const OK = 200;
const UNAVAILABLE = 503;

export const healthPages = (readiness: Readiness): readonly Page[] => [
  {
    path: "/healthz",
    // That it is answered says it all: the process lives and its event loop turns.
    access: { kind: "public", serve: async () => json(OK, { status: "ok" }) },
  },
  {
    path: "/readyz",
    access: {
      kind: "public",
      serve: async () => {
        const { isReady, checks } = await readiness();
        return json(isReady ? OK : UNAVAILABLE, { status: isReady ? "ready" : "not ready", checks });
      },
    },
  },
];

const json = (status: number, content: unknown): PageReply => ({
  status,
  contentType: "application/json",
  body: `${JSON.stringify(content)}\n`,
  headers: { "Cache-Control": "no-store" },
});
