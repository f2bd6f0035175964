import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";

/**
 * `over` laid over `base` by protobuf's own rule: what is set replaces, lists are appended, maps added to.
 * The encoding says it itself: two messages, one after the other, decode as their merger.
 */
export const mergeMessages = <D extends DescMessage>(
  schema: D,
  base: MessageShape<D>,
  over: MessageShape<D>,
): MessageShape<D> => fromBinary(schema, Buffer.concat([toBinary(schema, base), toBinary(schema, over)]));
