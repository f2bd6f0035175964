import { OK } from "../door.ts";
import { type Exchange, enter, fail } from "./exchange.ts";
import type { PageMatch } from "./pages.ts";
import {
  closeAfter,
  METHOD_NOT_ALLOWED,
  METHOD_NOT_ALLOWED_STATUS,
  sendError,
  sendPage,
} from "./responses.ts";

/** Never throws what the client has to hear. */
export const servePage = async (exchange: Exchange, { page, params }: PageMatch): Promise<void> => {
  const { request, response } = exchange;
  if (request.method !== "GET" && request.method !== "HEAD") {
    closeAfter(request, response);
    response.setHeader("Allow", "GET, HEAD");
    sendError(response, METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED_STATUS);
    return;
  }
  const entered = enter(exchange, page.path);
  try {
    const { access } = page;
    const reply =
      access.kind === "public" ? await access.serve(params) : await access.serve(params, entered.call());
    sendPage(response, reply);
    entered.end(OK);
  } catch (error) {
    fail(exchange, { method: page.path, entered }, error);
  }
};
