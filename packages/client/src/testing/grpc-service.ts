/** What a gRPC server for tests is made of: services from their descriptors, handlers from plain functions, errors. */
import { create, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  type handleUnaryCall,
  Metadata,
  type ServiceDefinition,
  type ServiceError,
  type status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

/** Of grpc-js. */
export const definitionOf = (service: DescService): ServiceDefinition =>
  Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "bidi_streaming",
        responseStream: method.methodKind !== "unary",
        requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (message) => Buffer.from(toBinary(method.output, create(method.output, message))),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );

/** Unary handlers from plain functions. */
export const implement = (
  methods: Readonly<Record<string, (request: never) => unknown>>,
): UntypedServiceImplementation => {
  const handlerOf =
    (method: (request: never) => unknown): handleUnaryCall<unknown, unknown> =>
    ({ request }, answer) => {
      try {
        answer(null, method(request as never));
      } catch (error) {
        answer(error as Partial<ServiceError>);
      }
    };
  return Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, handlerOf(method)]));
};

/** A status with `google.rpc.ErrorInfo`, as the daemon sends it. */
export const failure = (
  code: status,
  reason: string,
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): Partial<ServiceError> => {
  const info = new BinaryWriter().tag(1, 2).string(reason);
  for (const [key, value] of Object.entries(metadata)) {
    const entry = new BinaryWriter().tag(1, 2).string(key).tag(2, 2).string(value).finish();
    info.tag(3, 2).bytes(entry);
  }
  const any = new BinaryWriter().tag(1, 2).string("type.googleapis.com/google.rpc.ErrorInfo");
  any.tag(2, 2).bytes(info.finish());
  const details = new BinaryWriter().tag(1, 0).int32(code).tag(3, 2).bytes(any.finish()).finish();
  const trailers = new Metadata();
  trailers.set("grpc-status-details-bin", Buffer.from(details));
  return Object.assign(new Error(message), { code, details: message, metadata: trailers });
};
