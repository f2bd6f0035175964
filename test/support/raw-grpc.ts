/** gRPC calls in bytes. */
import type { Client, ServiceError } from "@grpc/grpc-js";

const asIs = (bytes: Buffer): Buffer => bytes;
const DEADLINE_MS = 20_000;

export const rawUnary = (client: Client, path: string, request: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + DEADLINE_MS };
    client.makeUnaryRequest(
      path,
      asIs,
      asIs,
      request,
      options,
      (error: ServiceError | null, reply?: Buffer) => {
        if (error) reject(error);
        else resolve(reply ?? Buffer.alloc(0));
      },
    );
  });

export const rawStream = async (
  client: Client,
  path: string,
  request: Buffer,
): Promise<readonly Buffer[]> => {
  const replies: Buffer[] = [];
  const options = { deadline: Date.now() + DEADLINE_MS };
  for await (const reply of client.makeServerStreamRequest(path, asIs, asIs, request, options)) {
    replies.push(reply);
  }
  return replies;
};

/** The first reply to one request. */
export const rawBidi = async (client: Client, path: string, request: Buffer): Promise<Buffer> => {
  const call = client.makeBidiStreamRequest(path, asIs, asIs, { deadline: Date.now() + DEADLINE_MS });
  call.write(request);
  call.end();
  for await (const reply of call) return reply;
  throw new Error(`${path} answers nothing`);
};
