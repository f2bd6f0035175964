import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { FlintlockError } from "@flintlock/core";
import { Encoded } from "../encoded.ts";

/**
 * A request, or why it could not be decoded. grpc-js would answer INTERNAL for a decoder that throws; a message
 * that is not protobuf is the client's mistake, and says so.
 */
export type Decoded = Message | FlintlockError;

export const decoder =
  (desc: DescMessage) =>
  (bytes: Buffer): Decoded => {
    try {
      // Unknown fields would only be kept to be dropped
      return fromBinary(desc, bytes, { readUnknownFields: false });
    } catch (cause) {
      return new FlintlockError("invalid_spec", `the request is not a valid ${desc.typeName}`, { cause });
    }
  };

/** @throws FlintlockError `invalid_spec` – the request could not be decoded */
export const decoded = (request: Decoded): Message => {
  if (request instanceof FlintlockError) throw request;
  return request;
};

export const encoder =
  (desc: DescMessage) =>
  (reply: Message | Encoded): Buffer => {
    const bytes = reply instanceof Encoded ? reply.binary() : toBinary(desc, reply);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
