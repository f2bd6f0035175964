/**
 * A few lines of notation for contracts that others own and that are too small to generate code for: names and
 * numbers as published, messages handled through their JSON form.
 */
import { create, createFileRegistry, type DescMessage, type DescService } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodDescriptorProtoSchema,
  OneofDescriptorProtoSchema,
  ServiceDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

const SCALARS = {
  int32: FieldDescriptorProto_Type.INT32,
  int64: FieldDescriptorProto_Type.INT64,
  bool: FieldDescriptorProto_Type.BOOL,
  string: FieldDescriptorProto_Type.STRING,
  bytes: FieldDescriptorProto_Type.BYTES,
} as const;

/**
 * `"3 string name"`, `"1 repeated bytes file"`, `"7 .pkg.Message name"`, `"1 enum .pkg.Enum name"`; a field of
 * the message's oneof ends in ` in oneof_name`.
 */
export type FieldNotation = string;

export interface FileNotation {
  readonly name: string;
  readonly package: string;
  readonly messages: Readonly<Record<string, readonly FieldNotation[]>>;
  /** By full name inside the package, such as `Response.Status`: names in number order, from 0 */
  readonly enums?: Readonly<Record<string, readonly string[]>>;
  /** Methods as `"Name Request Response"`, each message with an optional leading `stream:` */
  readonly services?: Readonly<Record<string, readonly string[]>>;
}

export interface Described {
  message(typeName: string): DescMessage;
  service(typeName: string): DescService;
}

/** Builds descriptors; a mistake in the notation throws when the module loads. */
export const describe = (notation: FileNotation): Described => {
  const enums = Object.entries(notation.enums ?? {}).map(([path, names]) => {
    const [parent, name] = path.includes(".") ? path.split(".") : [undefined, path];
    const value = names.map((text, number) => ({ name: text, number }));
    return { parent, proto: create(EnumDescriptorProtoSchema, { name: name ?? "", value }) };
  });
  const messageType = Object.entries(notation.messages).map(([name, fields]) => {
    const proto = message(name, fields);
    proto.enumType.push(...enums.filter(({ parent }) => parent === name).map(({ proto }) => proto));
    return proto;
  });
  const file = create(FileDescriptorProtoSchema, {
    name: notation.name,
    package: notation.package,
    syntax: "proto3",
    messageType,
    enumType: enums.filter(({ parent }) => parent === undefined).map(({ proto }) => proto),
    service: Object.entries(notation.services ?? {}).map(([name, methods]) =>
      create(ServiceDescriptorProtoSchema, { name, method: methods.map((m) => method(notation.package, m)) }),
    ),
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  return {
    message: (typeName) => found(registry.getMessage(typeName), typeName),
    service: (typeName) => found(registry.getService(typeName), typeName),
  };
};

const message = (name: string, fields: readonly FieldNotation[]): DescriptorProto => {
  const oneofs = [...new Set(fields.flatMap((field) => field.split(" in ")[1] ?? []))];
  return create(DescriptorProtoSchema, {
    name,
    oneofDecl: oneofs.map((oneof) => create(OneofDescriptorProtoSchema, { name: oneof })),
    field: fields.map((notation) => field(notation, oneofs)),
  });
};

const field = (notation: FieldNotation, oneofs: readonly string[]) => {
  const [declaration = "", oneof] = notation.split(" in ");
  const words = declaration.split(" ");
  const number = Number(words.shift());
  const isRepeated = words[0] === "repeated" && words.shift() !== undefined;
  const isEnum = words[0] === "enum" && words.shift() !== undefined;
  const [type = "", name = ""] = words;
  const scalar = SCALARS[type as keyof typeof SCALARS];
  const named = isEnum ? FieldDescriptorProto_Type.ENUM : FieldDescriptorProto_Type.MESSAGE;
  return create(FieldDescriptorProtoSchema, {
    name,
    number,
    jsonName: name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    label: isRepeated ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
    type: scalar ?? named,
    ...(scalar === undefined ? { typeName: type } : {}),
    ...(oneof === undefined ? {} : { oneofIndex: oneofs.indexOf(oneof) }),
  });
};

const method = (packageName: string, notation: string) => {
  const [name = "", input = "", output = ""] = notation.split(" ");
  const type = (text: string): string => `.${packageName}.${text.replace("stream:", "")}`;
  return create(MethodDescriptorProtoSchema, {
    name,
    inputType: type(input),
    outputType: type(output),
    clientStreaming: input.startsWith("stream:"),
    serverStreaming: output.startsWith("stream:"),
  });
};

const found = <T>(desc: T | undefined, typeName: string): T => {
  if (desc === undefined) throw new Error(`${typeName} is not described`);
  return desc;
};
