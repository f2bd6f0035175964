/** What the HTTP listeners serve that is no method of a service: health, metrics, documents. */
import type { Call } from "../service.ts";
import { matchPath, type PathParams, type PathTemplate, parsePathTemplate } from "./path-template.ts";

export interface PageReply {
  /** 200 when absent */
  readonly status?: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers GET and HEAD at a path. */
export interface Page {
  /** Template such as `/machine/{namespace}/{name}` */
  readonly path: string;
  /** "public": nobody is asked who they are; such a page gets no call */
  readonly access:
    | { readonly kind: "public"; readonly serve: (params: PathParams) => Promise<PageReply> }
    | { readonly kind: "caller"; readonly serve: (params: PathParams, call: Call) => Promise<PageReply> };
}

export interface PageMatch {
  readonly page: Page;
  readonly params: PathParams;
}

/** The more literal template wins. */
export const createPageFinder = (
  pages: readonly Page[],
): ((components: readonly string[]) => PageMatch | undefined) => {
  const compiled = pages
    .map((page) => ({ page, template: parsePathTemplate(page.path) }))
    .sort((a, b) => wildcards(a.template) - wildcards(b.template));
  return (components) => {
    for (const { page, template } of compiled) {
      const params = matchPath(template, components);
      if (params !== undefined) return { page, params };
    }
    return undefined;
  };
};

const wildcards = ({ segments }: PathTemplate): number =>
  segments.filter((segment) => segment.startsWith("*")).length;
