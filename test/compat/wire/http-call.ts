/** One HTTP/1.1 request on a connection of its own, sent as it stands. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Answer, HttpCase } from "./case.ts";
import { padded } from "./padding.ts";

const DEADLINE_MS = 20_000;

export const callHttp = async (address: string, request: HttpCase): Promise<Answer> => {
  const [method = "", path = ""] = request.request.split(" ", 2);
  const [host, port] = address.split(":", 2);
  const bytes = bytesOf(request);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = httpRequest({
      host,
      port,
      method,
      path,
      agent: false,
      headers: { ...(bytes === undefined ? {} : { "Content-Length": bytes.length }), ...request.headers },
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(bytes);
  });
  const body = await text(response);
  return {
    ...(response.statusCode === undefined ? {} : { status: response.statusCode }),
    headers: headersOf(response),
    ...(body === "" ? {} : { body: bodyOf(body) }),
  };
};

const bytesOf = ({ body, hex, padding, isGzipped }: HttpCase): Buffer | undefined => {
  if (hex !== undefined) return Buffer.from(hex, "hex");
  if (body === undefined) return undefined;
  const plain = typeof body === "string" ? body : JSON.stringify(padded(body as JsonObject, padding));
  return isGzipped === true ? gzipSync(plain) : Buffer.from(plain);
};

/** Those that say how long and how the connection goes on are the transport's, and the date is the day's. */
const OF_THE_TRANSPORT = new Set(["date", "content-length", "connection", "keep-alive", "transfer-encoding"]);

const headersOf = ({ headers }: IncomingMessage): JsonObject =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([key, value]) =>
      value === undefined || OF_THE_TRANSPORT.has(key) ? [] : [[key, String(value)]],
    ),
  );

/** JSON as a value, JSON lines (a stream ends each with a line break) as a list, anything else as text. */
const bodyOf = (body: string): JsonValue => {
  try {
    if (body.endsWith("\n"))
      return body
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    return JSON.parse(body);
  } catch {
    return body;
  }
};
