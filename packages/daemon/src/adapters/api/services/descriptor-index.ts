/** Where each name and extension is declared, over a set of files and all they import. */
import { type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  /** By extended message, then by number */
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  readonly #encoded = new WeakMap<DescFile, Uint8Array>();

  constructor(files: Iterable<DescFile>) {
    for (const file of files) this.#add(file);
  }

  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** The file that declares a package-qualified message, field, enum, enum value, service, method or extension. */
  fileOfSymbol(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol);
  }

  fileOfExtension(typeName: string, number: number): DescFile | undefined {
    return this.#extensions.get(typeName)?.get(number);
  }

  /** Undefined when nothing of that name is declared. */
  extensionNumbers(typeName: string): readonly number[] | undefined {
    const numbers = this.#extensions.get(typeName);
    if (numbers !== undefined) return [...numbers.keys()];
    return this.#symbols.has(typeName) ? [] : undefined;
  }

  /** The encoded FileDescriptorProto. */
  encoded(file: DescFile): Uint8Array {
    const known = this.#encoded.get(file);
    if (known !== undefined) return known;
    const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    this.#encoded.set(file, bytes);
    return bytes;
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const dependency of file.dependencies) this.#add(dependency);
    for (const message of file.messages) this.#addMessage(file, message);
    for (const { typeName, values } of file.enums) this.#addEnum(file, typeName, values);
    for (const extension of file.extensions) this.#addExtension(file, extension);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const { name } of service.methods) this.#symbols.set(`${service.typeName}.${name}`, file);
    }
  }

  #addMessage(file: DescFile, message: DescMessage): void {
    this.#symbols.set(message.typeName, file);
    for (const { name } of message.members) this.#symbols.set(`${message.typeName}.${name}`, file);
    for (const { name } of message.fields) this.#symbols.set(`${message.typeName}.${name}`, file);
    for (const nested of message.nestedMessages) this.#addMessage(file, nested);
    for (const { typeName, values } of message.nestedEnums) this.#addEnum(file, typeName, values);
    for (const extension of message.nestedExtensions) this.#addExtension(file, extension);
  }

  #addEnum(file: DescFile, typeName: string, values: readonly { readonly name: string }[]): void {
    this.#symbols.set(typeName, file);
    const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
    for (const { name } of values) this.#symbols.set(scope + name, file);
  }

  #addExtension(file: DescFile, { typeName, extendee, number }: DescFile["extensions"][number]): void {
    this.#symbols.set(typeName, file);
    const numbers = this.#extensions.get(extendee.typeName) ?? new Map<number, DescFile>();
    numbers.set(number, file);
    this.#extensions.set(extendee.typeName, numbers);
  }
}
