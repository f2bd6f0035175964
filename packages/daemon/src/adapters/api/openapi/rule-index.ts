/** The core's rules by the field of the message that they speak of. */
import type { DescMessage } from "@bufbuild/protobuf";
import { ext, types } from "@flintlock/api";
import { type FieldRule, type HostInfo, REQUEST_FIELD_RULES, SPEC_FIELD_RULES } from "@flintlock/core";
import { PARAMETER_RULES } from "./parameter-rules.ts";

/** Where a host has bounds of its own. */
export interface HostBounds extends Pick<HostInfo, "maxMemoryMib"> {
  readonly providers: readonly { readonly name: string }[];
}

/**
 * What is true of a field wherever its message stands: of a volume's id, what holds for the root and for the others. By
 * `package.Message.field`.
 */
export const createRuleIndex = (bounds: HostBounds | undefined): ReadonlyMap<string, FieldRule> => {
  const places = new Map<string, FieldRule[]>();
  const collect = (desc: DescMessage, prefix: string, table: Readonly<Record<string, FieldRule>>): void => {
    for (const field of desc.fields) {
      const path = `${prefix}${field.name}`;
      const rule = table[path];
      if (rule === undefined) continue;
      const key = `${desc.typeName}.${field.name}`;
      places.set(key, [...(places.get(key) ?? []), rule]);
      if (field.message === undefined || field.fieldKind === "map") continue;
      collect(field.message, field.fieldKind === "list" ? `${path}[].` : `${path}.`, table);
    }
  };
  collect(types.MicroVMSpecSchema, "", bounds === undefined ? SPEC_FIELD_RULES : bounded(bounds));
  collect(ext.CreateRequestSchema, "", REQUEST_FIELD_RULES);
  return new Map([
    ...[...places].map(([key, rules]) => [key, common(rules)] as const),
    ...Object.entries(PARAMETER_RULES),
  ]);
};

/** Places differ in what is required and what stands in for it, and in nothing else. */
const common = (rules: readonly FieldRule[]): FieldRule => {
  const [first] = rules;
  if (first === undefined) throw new Error("a field without a place");
  const { isRequired, default: byDefault, ...rest } = first;
  return {
    ...rest,
    ...(isRequired !== undefined && rules.every((rule) => rule.isRequired === isRequired)
      ? { isRequired }
      : {}),
    ...(byDefault !== undefined && rules.every((rule) => rule.default === byDefault)
      ? { default: byDefault }
      : {}),
  };
};

const bounded = ({ providers, maxMemoryMib }: HostBounds): Readonly<Record<string, FieldRule>> => {
  const { provider, memory_in_mb, ...rules } = SPEC_FIELD_RULES;
  return {
    ...rules,
    ...(provider === undefined
      ? {}
      : { provider: { ...provider, values: ["auto", ...providers.map(({ name }) => name)] } }),
    ...(memory_in_mb === undefined ? {} : { memory_in_mb: { ...memory_in_mb, max: maxMemoryMib } }),
  };
};
