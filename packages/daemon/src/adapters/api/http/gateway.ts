/**
 * The JSON gateway: any request to any bound method, as grpc-gateway v2 would carry it, and the pages beside them.
 *
 *     target.ts, form.ts          what was asked for: path, query, form
 *     router.ts, path-template.ts which method that is; v1alpha1-routes.ts where two share a path
 *     pages.ts, serve-page.ts     what is no method
 *     serve-call.ts               a call: request-message.ts in, responses.ts or send-stream.ts out
 *     query.ts, json-values.ts    parameters and bodies, read as Go reads them
 *     forwarded-headers.ts        headers to metadata and back
 *
 * Where it differs from grpc-gateway on purpose, it refuses more: what comes after the JSON of a body, `null` for one,
 * names that an enum lacks, text that is not UTF-8 (there an internal error), requests from another web site. And the
 * wrong method is 405, not 501.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { GatewayContext } from "./exchange.ts";
import { isFormPost, overridingMethod } from "./form.ts";
import { acceptsTrailers } from "./forwarded-headers.ts";
import { createPageFinder, type Page } from "./pages.ts";
import {
  BAD_REQUEST,
  closeAfter,
  METHOD_NOT_ALLOWED,
  METHOD_NOT_ALLOWED_STATUS,
  NOT_FOUND,
  sendError,
} from "./responses.ts";
import { createRouter, type Route, type Router, type Routing } from "./router.ts";
import { serveCall } from "./serve-call.ts";
import { servePage } from "./serve-page.ts";
import { parseTarget } from "./target.ts";

export type Gateway = (request: IncomingMessage, response: ServerResponse) => void;

export const createGateway = (
  { routes, pages }: { readonly routes: readonly Route[]; readonly pages: readonly Page[] },
  context: GatewayContext,
): Gateway => {
  const route = createRouter(routes);
  const findPage = createPageFinder(pages);
  return (request, response) => {
    const handled = (work: Promise<void>): void =>
      void work.catch((error: unknown) => {
        // Only a bug of this adapter gets here; the client must still not wait for ever
        context.log.error("gateway failed", { error });
        response.destroy();
      });
    // COMPAT: no trailer of ours follows, but grpc-gateway then sends chunks
    if (acceptsTrailers(request)) response.setHeader("Transfer-Encoding", "chunked");
    const target = parseTarget(request.url ?? "");
    if (target === undefined) {
      closeAfter(request, response);
      if (isAboutServer(request)) response.writeHead(200, { "Content-Length": 0 }).end();
      else sendError(response, BAD_REQUEST);
      return;
    }
    const { components, query } = target;
    const page = findPage(components);
    if (page !== undefined) {
      handled(servePage({ ...context, request, response, query }, page));
      return;
    }
    const { routing, hasForm } = routed(route, request, components);
    if (routing.kind !== "found") {
      closeAfter(request, response);
      if (routing.kind === "not_found") sendError(response, NOT_FOUND);
      else refuseMethod(response, routing.routes);
      return;
    }
    handled(serveCall({ ...context, request, response, query, hasForm }, routing.matches));
  };
};

/** RFC 9110, 15.5.6. To grpc-gateway it is UNIMPLEMENTED and so 501, but nothing is wrong with the server. */
const refuseMethod = (response: ServerResponse, routes: readonly Route[]): void => {
  // A path that ends in a verb is meant for it, whatever a variable would take
  const verbs = routes.filter(({ template }) => template.verb !== "");
  const allowed = (verbs.length > 0 ? verbs : routes).map(({ verb }) => verb);
  response.setHeader("Allow", [...new Set(allowed)].sort().join(", "));
  sendError(response, METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED_STATUS);
};

/** `OPTIONS *` (RFC 9110, 9.3.7), which Go's server answers before any handler sees it. */
const isAboutServer = ({ method, url }: IncomingMessage): boolean => method === "OPTIONS" && url === "*";

const routed = (
  route: Router,
  request: IncomingMessage,
  components: readonly string[],
): { readonly routing: Routing; readonly hasForm: boolean } => {
  const method = request.method ?? "";
  if (!isFormPost(request)) return { routing: route(method, components), hasForm: false };
  const override = overridingMethod(request);
  if (override !== undefined) return { routing: route(override, components), hasForm: true };
  const posted = route(method, components);
  if (posted.kind !== "method_not_allowed") return { routing: posted, hasForm: false };
  return { routing: route("GET", components), hasForm: true };
};
