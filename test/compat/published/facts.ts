/** What a client of an API can see of its protos, as plain data: names, numbers, types, labels, routes. */
import {
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { http } from "@flintlock/api";

export interface MethodFacts {
  readonly input: string;
  readonly output: string;
  readonly streams: "none" | "server" | "client" | "both";
  /** `POST /v1alpha1/microvm body=microvm` */
  readonly http: readonly string[];
}

/** By full name. */
export interface Facts {
  /** By field: `optional string = 3`, `oneof payload: bytes = 2`; a JSON name only where it is not the field's in camel case */
  readonly messages: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly services: Readonly<Record<string, Readonly<Record<string, MethodFacts>>>>;
}

export const factsOf = (files: readonly DescFile[]): Facts => {
  const messages = files.flatMap((file) => file.messages.flatMap(withNested)).filter(isNoMapEntry);
  const enums = [...files, ...messages].flatMap((parent) =>
    "nestedEnums" in parent ? parent.nestedEnums : parent.enums,
  );
  return {
    messages: byName(messages, (message) => record(message.fields, ({ name }) => name, fieldFacts)),
    enums: byName(enums, (one: DescEnum) =>
      record(
        one.values,
        ({ name }) => name,
        ({ number }) => number,
      ),
    ),
    services: byName(
      files.flatMap(({ services }) => services),
      (service) => record(service.methods, ({ name }) => name, methodFacts),
    ),
  };
};

const withNested = (message: DescMessage): readonly DescMessage[] => [
  message,
  ...message.nestedMessages.flatMap(withNested),
];

const isNoMapEntry = (message: DescMessage): boolean => message.proto.options?.mapEntry !== true;

const byName = <T extends { readonly typeName: string }, U>(
  items: readonly T[],
  value: (item: T) => U,
): Readonly<Record<string, U>> => record(items, ({ typeName }) => typeName, value);

/** Names in order, so that two tables read alike. */
const record = <T, U>(
  items: readonly T[],
  name: (item: T) => string,
  value: (item: T) => U,
): Readonly<Record<string, U>> =>
  Object.fromEntries(
    items.map((item) => [name(item), value(item)] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const fieldFacts = (field: DescField): string => {
  const camelCase = field.name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
  const json = field.jsonName === camelCase ? "" : ` json=${field.jsonName}`;
  return `${labelOf(field)}${typeOf(field)} = ${field.number}${json}`;
};

const labelOf = (field: DescField): string => {
  if (field.fieldKind === "list") return "repeated ";
  if (field.proto.proto3Optional) return "optional ";
  return field.oneof === undefined ? "" : `oneof ${field.oneof.name}: `;
};

const typeOf = (field: DescField): string => {
  const inner = field.message?.typeName ?? field.enum?.typeName ?? scalarName(field.scalar);
  return field.fieldKind === "map" ? `map<${scalarName(field.mapKey)}, ${inner}>` : inner;
};

const scalarName = (scalar: ScalarType | undefined): string =>
  scalar === undefined ? "" : (ScalarType[scalar] ?? String(scalar)).toLowerCase();

const methodFacts = (method: DescService["methods"][number]): MethodFacts => ({
  input: method.input.typeName,
  output: method.output.typeName,
  streams: (
    { unary: "none", server_streaming: "server", client_streaming: "client", bidi_streaming: "both" } as const
  )[method.methodKind],
  http: httpRules(method),
});

const httpRules = (method: DescService["methods"][number]): readonly string[] => {
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].flatMap(({ pattern, body }) => {
    if (pattern.case === undefined || pattern.case === "custom") return [];
    return [`${pattern.case.toUpperCase()} ${pattern.value}${body === "" ? "" : ` body=${body}`}`];
  });
};
