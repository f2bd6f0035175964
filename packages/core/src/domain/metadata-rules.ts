/** Rules for metadata: keys become file names on a seed disk and paths of a metadata service, values are base64. */
import { invalidField } from "./errors.ts";
import type { TextRule } from "./field-rule.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { parseTextMap } from "./text-rules.ts";

export const parseMetadata = (metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  parseTextMap(metadata, "metadata", MICROVM_FIELDS.metadata, parseBase64);

/** What is wrong is told without the value: it may be a secret. */
const parseBase64 = (text: string, field: string, rule: TextRule): string => {
  if (text.length > rule.maxLength)
    throw invalidField(field, `is ${text.length} characters long; at most ${rule.maxLength} are possible`);
  if (text.length % 4 === 0 && (rule.pattern === undefined || rule.pattern.test(text))) return text;
  throw invalidField(field, "must be base64, of the standard alphabet and padded with '='");
};
