/** Refused by both, by ours with an exact code and the field's name first. */
import type { Justified } from "./justified.ts";

const WHY =
  "Upstream answers UNKNOWN and its validator's words. Ours says what is wrong: an exact code, the field first.";

/** Case, and how our message begins. */
const INVALID = {
  "grpc create: an empty spec": "validation failures found: kernel.image: ",
  "grpc create: vcpu 65": "vcpu: ",
  "grpc create: vcpu -1": "vcpu: ",
  "grpc create: memory -1": "memory_in_mb: ",
  "grpc create: memory 2147483647": "memory_in_mb: ",
  "grpc create: kernel without image": "kernel.image: ",
  "grpc create: kernel image with a scheme": "kernel.image: ",
  "grpc create: initrd without image": "initrd.image: ",
  "grpc create: no root volume": "root_volume.source: ",
  "grpc create: root volume of virtiofs": "root_volume.source.virtiofs_source: ",
  "grpc create: additional volume with both sources": "additional_volumes[0].source: ",
  "grpc create: interface of type 9": "interfaces[0].type: ",
  "grpc create: interface without device id": "interfaces[0].device_id: ",
  "grpc create: device id with a slash": "interfaces[0].device_id: ",
  "grpc create: device id in capitals": "interfaces[0].device_id: ",
  "grpc create: a MAC that is none": "interfaces[0].guest_mac: ",
  "grpc create: an address without prefix": "interfaces[0].address.address: ",
  "grpc create: an empty address": "interfaces[0].address.address: ",
  "grpc create: a nameserver that is a name": "interfaces[0].address.nameservers[0]: ",
  "grpc create: meta-data that is not base64": "metadata[meta-data]: ",
  "grpc create: meta-data that is not YAML": "metadata[meta-data]: unmarshalling exists instance metadata: ",
  "grpc create: provider unknown": "provider: ",
  "grpc create: an unknown field and little else": "validation failures found: kernel.image: ",
  "http create: wrapped as in gRPC": "validation failures found: kernel.image: ",
  "http create: an empty object": "validation failures found: kernel.image: ",
  "http create: no body": "invalid create microvm request: ",
  "http create: an unknown name for an enum": "interfaces[0].type: ",
} as const satisfies Readonly<Record<string, string>>;

/** Case, and our whole message. */
const NOT_FOUND = {
  "grpc get: an unknown uid": "microvm <uid> not found",
  "grpc get: a uid that is none": 'microvm "a/b" not found',
  "grpc delete: an unknown uid": "microvm <uid> not found",
  "http delete: an unknown uid": "microvm <uid> not found",
} as const satisfies Readonly<Record<string, string>>;

const begins = (text: string): RegExp => new RegExp(`^${text.replace(/[[\].]/g, "\\$&")}`);

const refusal = (
  name: string,
  codes: { readonly grpc: string; readonly code: number; readonly status: number },
  message: RegExp | string,
): readonly Justified[] => {
  const at = (path: string, ours: Justified["ours"]): Justified => ({ cases: [name], path, ours, why: WHY });
  if (name.startsWith("grpc ")) return [at("code", codes.grpc), at("message", message)];
  return [at("status", codes.status), at("body.code", codes.code), at("body.message", message)];
};

/** Refused with code 3 by both: only the words are the other JSON library's. */
const OTHER_WORDS: readonly Justified[] = [
  {
    cases: [
      "http create: a list",
      "http create: no JSON",
      "http create: a field twice",
      "http create: both spellings of a field",
      "http create: a word for a list",
      "http create: a word for a message",
      "http create: a number *",
      "http create: a bad time",
    ],
    path: "body.message",
    ours: /JSON/,
    why: "The same code. The words are the JSON library's; Go's are even meant to vary.",
  },
  {
    cases: ["http create: gzip", "http create: not UTF-8"],
    path: "body.message",
    ours: "body: must be UTF-8",
    why: "The same code. Neither decodes Content-Encoding.",
  },
  {
    cases: ["http create: null"],
    path: "body.message",
    ours: "body: must be an object, not null",
    why: "The same code, and what would be right.",
  },
  {
    cases: ["http create: a word for a number"],
    path: "body.message",
    ours: 'vcpu: "two" is not a number',
    why: "The same code, and what would be right.",
  },
  {
    cases: ["http create: with a query"],
    path: "body.message",
    ours: /^metadata: takes one value for each key/,
    why: "The same code, and what would be right.",
  },
  {
    cases: ["http list: a bad timeout"],
    path: "body.message",
    ours: /^grpc-timeout: must be /,
    why: "The same code, and what would be right.",
  },
];

const WRONG_METHOD = [
  "http create: a slash at the end",
  "http list: no namespace",
  "http stream: GET",
  "http delete: no uid",
  "http PATCH",
  "http HEAD",
  "http OPTIONS",
  "http method override without a form",
] as const;

const OTHER_CODES: readonly Justified[] = [
  {
    cases: WRONG_METHOD,
    path: "status",
    ours: 405,
    why: "A wrong method is not the server's fault. The body is the same.",
  },
  {
    cases: WRONG_METHOD,
    path: "headers.allow",
    ours: /^(POST|DELETE, GET)$/,
    why: "A 405 says which methods the path takes.",
  },
  ...refusal(
    "grpc create: additional volume of virtiofs",
    { grpc: "FAILED_PRECONDITION", code: 9, status: 400 },
    "additional_volumes[0].source: virtiofs not supported by the microvm provider",
  ),
  ...refusal(
    "grpc create: a message that is cut off",
    { grpc: "INVALID_ARGUMENT", code: 3, status: 400 },
    "the request is not a valid microvm.services.api.v1alpha1.CreateMicroVMRequest",
  ),
  {
    cases: ["grpc create: a spec of 5 MiB"],
    path: "message",
    ours: /^Received message larger than max/,
    why: "The same code and the same limit; the words are the gRPC library's.",
  },
  {
    cases: ["grpc unknown *"],
    path: "message",
    ours: /^The server does not implement the method/,
    why: "The same code; the words are the gRPC library's.",
  },
  {
    cases: ["http create: 5 MiB"],
    path: "status",
    ours: 413,
    why: "HTTP has a status for it. The gRPC code in the body is the same.",
  },
  {
    cases: ["http create: 5 MiB"],
    path: "body.message",
    ours: "the body must be at most 4194304 bytes",
    why: "The same limit, said of the body.",
  },
];

export const REFUSALS: readonly Justified[] = [
  ...Object.entries(INVALID).flatMap(([name, start]) =>
    refusal(name, { grpc: "INVALID_ARGUMENT", code: 3, status: 400 }, begins(start)),
  ),
  ...Object.entries(NOT_FOUND).flatMap(([name, message]) =>
    refusal(name, { grpc: "NOT_FOUND", code: 5, status: 404 }, message),
  ),
  ...OTHER_WORDS,
  ...OTHER_CODES,
];
