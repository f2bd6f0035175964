/** A gRPC client of generated methods, for this adapter's tests. */
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Client, ServiceError } from "@grpc/grpc-js";

type Method<I extends DescMessage, O extends DescMessage> = Pick<DescMethod, "parent" | "name"> & {
  readonly input: I;
  readonly output: O;
};

const pathOf = ({ parent, name }: Pick<DescMethod, "parent" | "name">): string =>
  `/${parent.typeName}/${name}`;
const serialize =
  <D extends DescMessage>(desc: D) =>
  (message: Message) =>
    Buffer.from(toBinary(desc, message as MessageShape<D>));
const deserialize =
  <D extends DescMessage>(desc: D) =>
  (bytes: Buffer) =>
    fromBinary(desc, bytes);

export const unary = <I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: Method<I, O>,
  request: MessageInitShape<I>,
): Promise<MessageShape<O>> =>
  new Promise((resolve, reject) => {
    const message = create(method.input, request);
    client.makeUnaryRequest(
      pathOf(method),
      serialize(method.input),
      deserialize(method.output),
      message,
      { deadline: Date.now() + 20_000 },
      (error: ServiceError | null, response) => {
        if (error) reject(error);
        else if (response) resolve(response);
      },
    );
  });

export const serverStream = <I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: Method<I, O>,
  request: MessageInitShape<I>,
) =>
  client.makeServerStreamRequest(
    pathOf(method),
    serialize(method.input),
    deserialize(method.output),
    create(method.input, request) as Message,
  );

export const bidi = <I extends DescMessage, O extends DescMessage>(client: Client, method: Method<I, O>) =>
  client.makeBidiStreamRequest(pathOf(method), serialize(method.input), deserialize(method.output));

export { create as message } from "@bufbuild/protobuf";

export const encodeMessage = <D extends DescMessage>(desc: D, init: MessageInitShape<D>): Buffer =>
  Buffer.from(toBinary(desc, create(desc, init)));
