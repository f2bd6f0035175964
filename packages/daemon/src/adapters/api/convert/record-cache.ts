/**
 * Encodings of records, made once per record object. Records are immutable and a changed one is a new object, so
 * the object is the key, and an entry dies with it. This is what makes a list of 10,000 a matter of copying.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ext, types } from "@flintlock/api";
import type { MicroVM, Page } from "@flintlock/core";
import { compileEncoder } from "../compiled-encoder.ts";
import { Encoded, encodeField1 } from "../encoded.ts";
import { toProtoJson } from "../proto-json.ts";
import { wireExtended } from "./extension.ts";
import { wireMicroVM } from "./microvm.ts";

interface RecordEncoder {
  binary(vm: MicroVM): Uint8Array;
  json(vm: MicroVM): string;
}

const recordEncoder = <D extends DescMessage>(
  desc: D,
  convert: (vm: MicroVM) => MessageShape<D>,
): RecordEncoder => {
  const binaries = new WeakMap<MicroVM, Uint8Array>();
  const encode = compileEncoder(desc);
  const texts = new WeakMap<MicroVM, string>();
  return {
    binary: (vm) => remembered(binaries, vm, () => encode(convert(vm))),
    json: (vm) => remembered(texts, vm, () => JSON.stringify(toProtoJson(desc, convert(vm)))),
  };
};

const remembered = <T>(cache: WeakMap<MicroVM, T>, vm: MicroVM, make: () => T): T => {
  const known = cache.get(vm);
  if (known !== undefined) return known;
  const made = make();
  cache.set(vm, made);
  return made;
};

const plain = recordEncoder(types.MicroVMSchema, wireMicroVM);
const extended = recordEncoder(ext.MicroVMSchema, wireExtended);

/** `{ microvm: MicroVM }` of v1alpha1: the responses of create and get, and the message of the list stream. */
export const encodedMicroVM = (vm: MicroVM): Encoded =>
  new Encoded(
    () => encodeField1([plain.binary(vm)]),
    () => `{"microvm":${plain.json(vm)}}`,
  );

/** `{ microvm: [MicroVM…] }` of v1alpha1. */
export const encodedMicroVMs = (vms: readonly MicroVM[]): Encoded =>
  new Encoded(
    () => encodeField1(vms.map(plain.binary)),
    () => `{"microvm":[${vms.map(plain.json).join(",")}]}`,
  );

/** `flintlock.v1.MicroVM` itself. */
export const encodedExtended = (vm: MicroVM): Encoded =>
  new Encoded(
    () => extended.binary(vm),
    () => extended.json(vm),
  );

/** `{ microvms: [flintlock.v1.MicroVM…], nextPageToken }`. */
export const encodedExtendedList = ({ microvms, nextToken }: Page): Encoded =>
  new Encoded(
    () => Buffer.concat([encodeField1(microvms.map(extended.binary)), encodeToken(nextToken)]),
    () =>
      `{"microvms":[${microvms.map(extended.json).join(",")}],"nextPageToken":${JSON.stringify(nextToken)}}`,
  );

/** Field 2 of a list's response; a token is a uid, and its length one byte. */
const encodeToken = (token: string): Uint8Array =>
  token === "" ? new Uint8Array() : Buffer.from([FIELD_2, token.length, ...Buffer.from(token, "latin1")]);

/** Tag of field 2, wire type "length delimited". */
const FIELD_2 = 0x12;
