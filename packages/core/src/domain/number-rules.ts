import { invalidField } from "./errors.ts";

/** A whole number in its bounds; where the rule has a `default`, 0 means that. */
export const parseWhole = <D extends number | undefined>(
  value: number,
  field: string,
  rule: { readonly min: number; readonly max: number; readonly default: D },
): number | D => {
  if (value === 0) return rule.default;
  if (Number.isInteger(value) && value >= rule.min && value <= rule.max) return value;
  throw invalidField(
    field,
    `${value} is out of range: must be ${rule.min} to ${rule.max}, or 0 for ${rule.default ?? "the default"}`,
  );
};
