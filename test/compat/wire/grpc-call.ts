/** One gRPC call with nothing between: bytes out, code, message, headers and messages back. */
import { type DescMethod, fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { legacyWire, wire } from "@flintlock/api";
import { Client, compressionAlgorithms, credentials, Metadata, status } from "@grpc/grpc-js";
import type { Answer, GrpcCase } from "./case.ts";
import { padded } from "./padding.ts";

const DEADLINE_MS = 20_000;
const IDENTITY = (bytes: Buffer): Buffer => bytes;

export const callGrpc = async (address: string, request: GrpcCase): Promise<Answer> => {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    "grpc.enable_retries": 0,
    ...(request.isGzipped === true
      ? { "grpc.default_compression_algorithm": compressionAlgorithms.gzip }
      : {}),
  });
  try {
    return await exchange(client, request);
  } finally {
    client.close();
  }
};

const exchange = (client: Client, request: GrpcCase): Promise<Answer> => {
  const service = request.isLegacy === true ? legacyWire.MicroVM : wire.MicroVM;
  const method = service.methods.find(({ name }) => request.method === `${service.typeName}/${name}`);
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(request.metadata ?? {})) metadata.set(key, value);
  // A unary answer is a stream of one: so an error leaves what came before it to be seen.
  const call = client.makeServerStreamRequest(
    `/${request.method}`,
    IDENTITY,
    IDENTITY,
    bytesOf(request, method),
    metadata,
    { deadline: Date.now() + DEADLINE_MS },
  );
  const messages: JsonObject[] = [];
  let headers: JsonObject | undefined;
  call.on("metadata", (received) => {
    headers = jsonOf(received);
  });
  call.on("data", (bytes: Buffer) => messages.push(decoded(method, bytes)));
  // The status says the same.
  call.on("error", () => undefined);
  return new Promise((resolve) => {
    call.on("status", ({ code, details, metadata: trailers }) => {
      const isStream = method?.methodKind === "server_streaming";
      const body = isStream ? messages : messages[0];
      resolve({
        code: status[code],
        message: details,
        ...(headers === undefined ? {} : { headers }),
        trailers: jsonOf(trailers),
        ...(body === undefined ? {} : { body }),
      });
    });
  });
};

const bytesOf = (request: GrpcCase, method: DescMethod | undefined): Buffer => {
  if (request.hex !== undefined) return Buffer.from(request.hex, "hex");
  if (method === undefined) return Buffer.alloc(0);
  const message = padded(request.message ?? {}, request.padding, "microvm");
  return Buffer.from(toBinary(method.input, fromJson(method.input, message)));
};

const decoded = (method: DescMethod | undefined, bytes: Buffer): JsonObject => {
  if (method === undefined) return { hex: bytes.toString("hex") };
  const message = fromBinary(method.output, bytes);
  return toJson(method.output, message, { alwaysEmitImplicit: true }) as JsonObject;
};

/** Text as it came, without the day's date; binary values only say that they are there. */
const jsonOf = (metadata: Metadata): JsonObject =>
  Object.fromEntries(
    Object.keys(metadata.getMap())
      .filter((key) => key !== "date")
      .map((key) => [
        key,
        metadata
          .get(key)
          .map((value) => (typeof value === "string" ? value : "<bytes>"))
          .join(", "),
      ]),
  );
