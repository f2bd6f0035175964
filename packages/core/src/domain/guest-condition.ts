/** What a guest can be waited for, as a word: `agent`, `cloud-init`, `ssh`, `ip`, `tcp:PORT` or `exec:CMD`. Pure. */
import { invalidField } from "./errors.ts";
import type { FieldRule } from "./field-rule.ts";
import { quoted } from "./text-rules.ts";
import { parseEach } from "./violations.ts";

export type GuestCondition =
  /** The agent answers */
  | { readonly kind: "agent" }
  /** cloud-init has done all it was told, without an error */
  | { readonly kind: "cloud-init" }
  /** The guest's SSH server greets */
  | { readonly kind: "ssh" }
  /** An interface has an address that others can reach */
  | { readonly kind: "ip" }
  /** A TCP port of the guest's loopback takes a connection */
  | { readonly kind: "tcp"; readonly port: number }
  /** `sh -c` of this command, as root, ends with 0 */
  | { readonly kind: "exec"; readonly command: string };

/** Of a command, in characters */
const MAX_COMMAND = 4096;

/** Of a list of conditions */
export const CONDITIONS_RULE = {
  type: "list",
  maxItems: 8,
  item: {
    minLength: 2,
    maxLength: MAX_COMMAND + "exec:".length,
    pattern: /^(?:agent|cloud-init|ssh|ip|tcp:[1-9][0-9]{0,4}|exec:[^\0]+)$/,
    form: "agent, cloud-init, ssh, ip, tcp:PORT or exec:COMMAND",
  },
} as const satisfies Omit<FieldRule, "note">;

/** @throws FlintlockError `invalid_spec` */
export const parseCondition = (text: string, field: string): GuestCondition => {
  const { pattern, form } = CONDITIONS_RULE.item;
  if (!pattern.test(text)) throw invalidField(field, `must be ${form}, not ${quoted(text)}`);
  const [kind = "", rest = ""] = split(text);
  switch (kind) {
    case "agent":
    case "cloud-init":
    case "ssh":
    case "ip":
      return { kind };
    case "tcp":
      if (Number(rest) > 65_535) throw invalidField(field, "tcp: the port must be 1 to 65535");
      return { kind, port: Number(rest) };
    default:
      if (rest.trim() === "") throw invalidField(field, "exec: the command is empty");
      if (rest.length <= MAX_COMMAND) return { kind: "exec", command: rest };
      throw invalidField(field, `exec: the command must be at most ${MAX_COMMAND} characters`);
  }
};

/** As they were given, each once. @throws FlintlockError `invalid_spec` – none, too many, or one that is none */
export const parseConditions = (texts: readonly string[], field: string): readonly string[] => {
  const { maxItems } = CONDITIONS_RULE;
  if (texts.length === 0) throw invalidField(field, "must name at least one condition");
  if (texts.length > maxItems) throw invalidField(field, `at most ${maxItems} conditions are possible`);
  parseEach(texts, (text, index) => parseCondition(text, `${field}[${index}]`));
  return [...new Set(texts)];
};

const MAX_SHOWN = 60;

/** Short enough for a message. */
export const shownCondition = (text: string): string =>
  text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;

const split = (text: string): readonly string[] => {
  const at = text.indexOf(":");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
};
