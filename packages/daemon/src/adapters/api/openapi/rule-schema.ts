/** One rule of the core as keywords of JSON Schema. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { FieldRule, TextRule } from "@flintlock/core";
import { type Grammar, PRINTABLE } from "./patterns.ts";

/** Text that fits. Where it may be left out, an empty one is as good. */
export const textSchema = (
  { minLength = 0, maxLength, pattern }: Partial<TextRule>,
  { grammar, mayBeEmpty }: { readonly grammar: Grammar | undefined; readonly mayBeEmpty: boolean },
): JsonObject => {
  const longest = grammar?.maxLength ?? maxLength;
  const own = grammar?.pattern ?? pattern?.source.replaceAll("\\0", "\\u0000");
  const form = own ?? (longest === undefined ? undefined : PRINTABLE);
  return {
    type: "string",
    ...(mayBeEmpty || minLength === 0 ? {} : { minLength }),
    ...(longest === undefined ? {} : { maxLength: longest }),
    ...(form === undefined
      ? {}
      : { pattern: mayBeEmpty && own !== undefined ? `${grammar?.empty ?? "^$"}|${form}` : form }),
  };
};

/** Bounds of a number; 0 stands for the default where there is one. */
export const boundsOf = ({
  min,
  max,
  isRequired,
}: Pick<FieldRule, "min" | "max" | "isRequired">): JsonObject => {
  const floor = isRequired === undefined && min !== undefined && min > 0 ? 0 : min;
  return {
    ...(floor === undefined ? {} : { minimum: floor }),
    ...(max === undefined ? {} : { maximum: max }),
    // Nothing between 0 and the least
    ...(floor === 0 && min !== undefined && min > 1 ? { anyOf: [{ const: 0 }, { minimum: min }] } : {}),
  };
};

export const sizeOf = (kind: "list" | "map", { maxItems }: Pick<FieldRule, "maxItems">): JsonObject =>
  maxItems === undefined ? {} : { [kind === "list" ? "maxItems" : "maxProperties"]: maxItems };

/** The core's sentence on the field, and what stands in for it. */
export const noteOf = ({
  note,
  default: byDefault,
  defaultV1,
}: Pick<FieldRule, "note" | "default" | "defaultV1">): string => {
  const defaults = [
    ...(byDefault === undefined ? [] : [`Default: ${byDefault}.`]),
    ...(defaultV1 === undefined ? [] : [`In flintlock.v1: ${defaultV1}.`]),
  ];
  return [note, ...defaults].join(" ");
};
