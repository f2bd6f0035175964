/** docs/fields.md, made of the table of rules. */
import {
  EXEC_FIELDS,
  type FieldRule,
  MAX_EXEC_BYTES,
  REQUEST_FIELD_RULES,
  SPEC_FIELD_RULES,
  type TextRule,
} from "../../packages/core/src/index.ts";
import { code, table } from "./markdown.ts";

export const fieldsPage = (): string => `# Fields of a request

Made by \`npm run docs\` from \`packages/core/src/domain/field-rules.ts\`, which the daemon and the OpenAPI document use too.
Names are the wire's; JSON has them in camelCase. A request that breaks rules is refused with all of them, as
\`google.rpc.BadRequest\`; see [errors.md](errors.md).

## \`flintlock.types.MicroVMSpec\`

${rows(SPEC_FIELD_RULES)}

## What \`flintlock.v1.CreateRequest\` adds

${rows(REQUEST_FIELD_RULES)}

## \`ExecStart\` of \`MicroVMExec/ExecCommand\` and of \`flintlock.v1.MicroVMs/Exec\`

\`cmd\`, \`args\` and \`env\` are at most ${MAX_EXEC_BYTES} bytes of JSON together.

${rows(EXEC_FIELDS)}
`;

const rows = (rules: Readonly<Record<string, FieldRule>>): string =>
  table(
    ["Field", "Type", "Default", "Rule", "Meaning"],
    Object.entries(rules).map(([path, rule]) => [
      code(path),
      rule.type,
      defaultOf(rule),
      ruleText(rule),
      rule.note,
    ]),
  );

const defaultOf = (rule: FieldRule): string => {
  if (rule.isOutput) return "set by the daemon";
  const own = rule.isRequired === undefined ? word(rule.default) : "required";
  const v1 = rule.defaultV1 === undefined ? "" : `flintlock.v1: ${word(rule.defaultV1)}`;
  return [own, v1].filter((text) => text !== "").join("; ");
};

const word = (value: FieldRule["default"]): string => (value === undefined ? "" : String(value));

const ruleText = (rule: FieldRule): string => {
  const { min = 0, max, values, maxItems, item, key, value, maxTotal, maxLength } = rule;
  const parts = [
    max !== undefined && `${min} to ${max}`,
    values !== undefined && `one of ${values.map(code).join(", ")}`,
    maxItems !== undefined && `at most ${maxItems} entries`,
    item !== undefined && `each ${textRule(item)}`,
    key !== undefined && `keys ${textRule(key)}`,
    value !== undefined && `values ${textRule(value)}`,
    maxTotal !== undefined && `${maxTotal} characters in all`,
    maxLength !== undefined && values === undefined && textRule({ ...rule, maxLength }),
  ];
  return parts.filter((part) => part !== false).join("; ");
};

const textRule = ({ minLength = 0, maxLength, form, pattern }: TextRule): string => {
  const length = minLength === maxLength ? `${maxLength}` : `${minLength} to ${maxLength}`;
  const shape = pattern === undefined ? "" : ` (${code(pattern.source)})`;
  return /^an? |^the |^user /.test(form ?? "")
    ? `${form}, at most ${maxLength} characters${shape}`
    : `${length} ${form ?? "characters"}${shape}`;
};
