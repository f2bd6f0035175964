/** The page to read and try the API: plain HTML, CSS and JavaScript, from the files in `docs/` and from nowhere else. */
import { readFile } from "node:fs/promises";
import type { Page } from "../http/pages.ts";

/** By path: the file beside us, or beside the bundle, and what it is. */
const FILES = {
  "/docs": ["index.html", "text/html; charset=utf-8"],
  "/docs/docs.css": ["docs.css", "text/css; charset=utf-8"],
  "/docs/docs.js": ["docs.js", "text/javascript; charset=utf-8"],
  "/docs/dom.js": ["dom.js", "text/javascript; charset=utf-8"],
  "/docs/schema.js": ["schema.js", "text/javascript; charset=utf-8"],
  "/docs/send.js": ["send.js", "text/javascript; charset=utf-8"],
} as const satisfies Readonly<Record<string, readonly [file: string, contentType: string]>>;

const HEADERS = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
} as const;

export const docsPages = (): readonly Page[] =>
  Object.entries(FILES).map(([path, [file, contentType]]) => ({
    path,
    access: {
      kind: "public",
      serve: async () => ({
        contentType,
        body: await readFile(new URL(`./docs/${file}`, import.meta.url)),
        headers: HEADERS,
      }),
    },
  }));
