/** `application/x-www-form-urlencoded`, as Go's net/url reads it: a query, or a body. */
import type { IncomingMessage } from "node:http";
import { invalidField } from "@flintlock/core";

/** @throws FlintlockError `invalid_spec` – a semicolon, or percent-encoding that is none or not of UTF-8 */
export const parseForm = (text: string, what: "query" | "body"): URLSearchParams => {
  const form = new URLSearchParams();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    if (pair.includes(";")) throw invalidField(what, 'must separate parameters by "&", not by ";"');
    const at = pair.indexOf("=");
    const [name, value] = at === -1 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    form.append(decoded(name, what), decoded(value, what));
  }
  return form;
};

const decoded = (text: string, what: "query" | "body"): string => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    // decodeURIComponent throws nothing but URIError
    throw invalidField(what, "must be percent-encoded UTF-8");
  }
};

/**
 * Whether this is a request that was put into a body because it is too long for a URL, in grpc-gateway's way: a POST of a
 * form, of exactly this media type, stands for a GET, or for what `X-HTTP-Method-Override` says.
 */
export const isFormPost = ({ method, headers }: IncomingMessage): boolean =>
  method === "POST" && headers["content-type"] === "application/x-www-form-urlencoded";

/** In upper case; undefined when the header is absent or empty. */
export const overridingMethod = ({ headers }: IncomingMessage): string | undefined => {
  const override = headers["x-http-method-override"];
  return typeof override === "string" && override !== "" ? override.toUpperCase() : undefined;
};
