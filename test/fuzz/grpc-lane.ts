/** Calls of every method over gRPC, with generated and with damaged messages. */
import { type DescMethod, fromJson, toBinary } from "@bufbuild/protobuf";
import { type Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { Generator } from "./message-generator.ts";
import { mutate, type Random } from "./random.ts";

export interface GrpcRound {
  readonly method: string;
  readonly request: Buffer;
  readonly code: number;
  readonly message: string;
}

/** No answer within this is a hang. */
const DEADLINE_MS = 20_000;
/** Streams that would go on for ever are left after this. */
const STREAM_MS = 60;
const METADATA_NAMES = ["flintlock-page-size", "flintlock-labels", "idempotency-key", "x-anything"] as const;

const same = (bytes: Buffer): Buffer => bytes;

export const grpcRound = async (
  client: Client,
  desc: DescMethod,
  { random, generator }: { readonly random: Random; readonly generator: Generator },
): Promise<GrpcRound> => {
  const method = `/${desc.parent.typeName}/${desc.name}`;
  const request = encoded(desc, random, generator);
  const metadata = new Metadata();
  if (random.chance(0.1)) metadata.set(random.pick(METADATA_NAMES), String(random.below(1e9)));
  const options = { deadline: Date.now() + DEADLINE_MS };
  const outcome = await new Promise<{ readonly code: number; readonly message: string }>((resolve) => {
    const done = (error: Partial<ServiceError> | null): void =>
      resolve({ code: error?.code ?? status.OK, message: error?.details ?? "" });
    if (desc.methodKind === "unary") {
      client.makeUnaryRequest(method, same, same, request, metadata, options, done);
      return;
    }
    const isDuplex = desc.methodKind === "bidi_streaming" || desc.methodKind === "client_streaming";
    const duplex = isDuplex ? client.makeBidiStreamRequest(method, same, same, metadata, options) : undefined;
    const call = duplex ?? client.makeServerStreamRequest(method, same, same, request, metadata, options);
    const timer = setTimeout(() => call.cancel(), STREAM_MS);
    call.on("data", () => undefined);
    // "status" follows; without a listener the error would be thrown
    call.on("error", () => undefined);
    call.on("status", (end: { readonly code: number; readonly details: string }) => {
      clearTimeout(timer);
      resolve({ code: end.code, message: end.details });
    });
    if (duplex === undefined) return;
    duplex.write(request);
    for (let n = random.below(3); n > 0; n -= 1) duplex.write(encoded(desc, random, generator));
    if (random.chance(0.8)) duplex.end();
  });
  return { method, request, ...outcome };
};

const encoded = (desc: DescMethod, random: Random, generator: Generator): Buffer => {
  let bytes: Buffer;
  try {
    const message = fromJson(desc.input, generator.message(desc.input), { ignoreUnknownFields: true });
    bytes = Buffer.from(toBinary(desc.input, message));
  } catch {
    // Not every hostile text has a wire form: lone surrogates, for one
    bytes = Buffer.from(JSON.stringify(generator.message(desc.input)));
  }
  return random.chance(0.3) ? mutate(random, bytes) : bytes;
};
