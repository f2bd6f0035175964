/** What is asked of a daemon that wants a token: upstream's `--basic-auth-token secret`. */
import type { Case, GrpcCase, HttpCase } from "./case.ts";

export const TOKEN = "secret";
const basic = (token: string): string => `Basic ${Buffer.from(token).toString("base64")}`;

const HEADERS = {
  "no header": {},
  "an empty header": { authorization: "" },
  "one word": { authorization: "secret" },
  "another scheme": { authorization: `Bearer ${TOKEN}` },
  "the token not encoded": { authorization: `Basic ${TOKEN}` },
  "another token": { authorization: basic("guess") },
  "an empty token": { authorization: "Basic " },
  "the token": { authorization: basic(TOKEN) },
  "the scheme in small letters": { authorization: basic(TOKEN).replace("Basic", "basic") },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

const grpc = ([name, metadata]: readonly [string, Readonly<Record<string, string>>]): GrpcCase => ({
  name: `grpc token: ${name}`,
  transport: "grpc",
  method: "microvm.services.api.v1alpha1.MicroVM/ListMicroVMs",
  message: { namespace: "nobody" },
  metadata,
});

const stream = ([name, metadata]: readonly [string, Readonly<Record<string, string>>]): GrpcCase => ({
  ...grpc([name, metadata]),
  name: `grpc token: stream: ${name}`,
  method: "microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream",
});

const http = ([name, headers]: readonly [string, Readonly<Record<string, string>>]): HttpCase => ({
  name: `http token: ${name}`,
  transport: "http",
  request: "GET /v1alpha1/microvm/nobody",
  headers,
});

const ALL = Object.entries(HEADERS);
export const TOKEN_CASES: readonly Case[] = [
  ...ALL.map(grpc),
  ...[ALL[0], ALL[7]].flatMap((one) => (one === undefined ? [] : [stream(one)])),
  ...ALL.map(http),
];
