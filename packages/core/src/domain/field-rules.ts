/**
 * The one table of rules: every field of a create request, by its path in wire names (`interfaces[].device_id`).
 * Parsers take their bounds from it; docs/fields.md and the OpenAPI document are made of it.
 */
import { INTERFACE_FIELDS, VOLUME_FIELDS } from "./device-fields.ts";
import type { FieldRule } from "./field-rule.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { REQUEST_FIELDS } from "./request-fields.ts";

export type { FieldRule, TextRule } from "./field-rule.ts";

const below = (prefix: string, fields: Readonly<Record<string, FieldRule>>): Record<string, FieldRule> =>
  Object.fromEntries(Object.entries(fields).map(([path, rule]) => [`${prefix}.${path}`, rule]));

const ROOT_VOLUME: FieldRule = {
  type: "message",
  isRequired: "v1alpha1",
  defaultV1: "the bundled image",
  note: "The guest's root; may be left out when an initrd carries the whole system.",
};
const ADDITIONAL_VOLUMES = {
  type: "list",
  maxItems: 24,
  note: "Further disks, in guest order: /dev/vdb, /dev/vdc, …",
} as const satisfies FieldRule;
const INTERFACES = {
  type: "list",
  maxItems: 8,
  note: "In guest order; none means one interface on the user-mode network, or no network with a provider that has none.",
} as const satisfies FieldRule;

/** Lists whose entries are messages. */
export const LIST_RULES = { additional_volumes: ADDITIONAL_VOLUMES, interfaces: INTERFACES } as const;

/** `flintlock.types.MicroVMSpec` */
export const SPEC_FIELD_RULES: Readonly<Record<string, FieldRule>> = {
  ...MICROVM_FIELDS,
  root_volume: ROOT_VOLUME,
  ...below("root_volume", { ...VOLUME_FIELDS, id: { ...VOLUME_FIELDS.id, default: "root" } }),
  additional_volumes: ADDITIONAL_VOLUMES,
  ...below("additional_volumes[]", {
    ...VOLUME_FIELDS,
    id: { ...VOLUME_FIELDS.id, isRequired: "always" },
    source: { ...VOLUME_FIELDS.source, isRequired: "always" },
  }),
  interfaces: INTERFACES,
  ...below("interfaces[]", INTERFACE_FIELDS),
};

/** `flintlock.v1.CreateRequest` but its `microvm` */
export const REQUEST_FIELD_RULES: Readonly<Record<string, FieldRule>> = REQUEST_FIELDS;

/** The rule of a path as errors name it: `interfaces[1].device_id`, `metadata[user-data]`. */
export const ruleOf = (path: string): FieldRule | undefined => {
  const plain = path.replaceAll(/\[[0-9]+\]/g, "[]");
  const own = plain.replace(/\[[^\]]*\]$/, "");
  return [plain, own].flatMap((each) => SPEC_FIELD_RULES[each] ?? REQUEST_FIELD_RULES[each] ?? [])[0];
};
