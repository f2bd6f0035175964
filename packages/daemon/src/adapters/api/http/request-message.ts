/** One HTTP request to one request message. */
import {
  create,
  type DescMessage,
  fromJson,
  fromJsonString,
  type Message,
  mergeFromJson,
} from "@bufbuild/protobuf";
import { isFieldError, reflect } from "@bufbuild/protobuf/reflect";
import { FlintlockError, invalidField } from "@flintlock/core";
import { parseForm } from "./form.ts";
import { refuseMisread } from "./json-values.ts";
import { paramsToJson, queryToJson } from "./query.ts";
import type { Match, Route } from "./router.ts";

export interface HttpParts {
  /** As it came */
  readonly query: string;
  /** Parameters that came in the body, which is then empty */
  readonly form: URLSearchParams;
  readonly body: Uint8Array;
}

const READ = { ignoreUnknownFields: true } as const;

/** @throws FlintlockError `invalid_spec` – with the field's name where the decoder knows it */
export const requestMessage = ({ route, params }: Match, parts: HttpParts, maxJsonDepth: number): Message => {
  const desc = route.method.desc.input;
  const hasBody = route.body !== "" || route.bodyAs !== undefined;
  const text = hasBody ? bodyText(parts.body, maxJsonDepth) : "";
  try {
    const message = bodyMessage(desc, route, text);
    const pathFields = new Set(Object.keys(params).map((path) => path.split(".")[0]));
    const isTaken = (name: string): boolean => name === route.body || pathFields.has(name);
    // A query without a field for it is not even read
    if (route.body !== "*" && desc.fields.some(({ name }) => !isTaken(name))) {
      const query = new URLSearchParams([...parts.form, ...parseForm(parts.query, "query")]);
      mergeFromJson(desc, message, queryToJson(desc, query, isTaken), READ);
    }
    return mergeFromJson(desc, message, paramsToJson(desc, params), READ);
  } catch (error) {
    throw decodeError(error);
  }
};

/** An empty body is the empty message, or the unset field. */
const bodyMessage = (desc: DescMessage, { body, bodyAs }: Route, text: string): Message => {
  const isEmpty = /^[ \t\r\n]*$/.test(text);
  if (!isEmpty && text.trim() === "null") throw invalidField("body", "must be an object, not null");
  if (bodyAs !== undefined && !isEmpty) {
    const json = bodyAs(JSON.parse(text));
    refuseMisread(desc, json);
    return fromJson(desc, json, READ);
  }
  if (body === "*" && !isEmpty) {
    refuseMisread(desc, JSON.parse(text));
    return fromJsonString(desc, text, READ);
  }
  const message = create(desc);
  if (isEmpty || body === "") return message;
  const field = desc.fields.find(({ name }) => name === body);
  if (field?.fieldKind !== "message")
    throw new Error(`${desc.typeName}: body ${body} is not a message field`);
  refuseMisread(field.message, JSON.parse(text));
  const value = reflect(field.message, fromJsonString(field.message, text, READ));
  reflect(desc, message).set(field, value);
  return message;
};

const decodeError = (error: unknown): unknown => {
  if (error instanceof FlintlockError) return error;
  if (!(error instanceof Error)) return error;
  // protobuf-es wraps the error that knows the field
  const known = [error, error.cause].find(isFieldError);
  const options = { cause: error, ...(known === undefined ? {} : { detail: { field: known.field().name } }) };
  return new FlintlockError("invalid_spec", error.message, options);
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const bodyText = (body: Uint8Array, maxJsonDepth: number): string => {
  if (jsonDepth(body) > maxJsonDepth) throw invalidField("body", `must nest at most ${maxJsonDepth} deep`);
  try {
    return utf8.decode(body);
  } catch (cause) {
    throw new FlintlockError("invalid_spec", "body: must be UTF-8", { detail: { field: "body" }, cause });
  }
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Deepest nesting of brackets outside strings; found without recursion, before anything recurses over it. */
const jsonDepth = (json: Uint8Array): number => {
  let depth = 0;
  let deepest = 0;
  let isString = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (isString && byte === BACKSLASH) at += 1;
    else if (byte === QUOTE) isString = !isString;
    else if (!isString && OPENING.has(byte)) deepest = Math.max(deepest, ++depth);
    else if (!isString && CLOSING.has(byte)) depth -= 1;
  }
  return deepest;
};
