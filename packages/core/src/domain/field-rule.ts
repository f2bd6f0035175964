/** What one field of a create request may hold. The tables are data: code, docs and the OpenAPI document read them. */

/** Text of `minLength` (0) to `maxLength` characters that fits `pattern`. */
export interface TextRule {
  readonly minLength?: number;
  /** In UTF-16 units, as JavaScript and JSON Schema's users count */
  readonly maxLength: number;
  /** Without a count in it: the lengths say that. Anchored; linear in the length of what it is tried on */
  readonly pattern?: RegExp;
  /** The pattern in words, for error messages: "must be 1 to 15 …" */
  readonly form?: string;
}

export interface FieldRule extends Partial<TextRule> {
  readonly type:
    | "string"
    | "int32"
    | "uint32"
    | "uint64"
    | "bool"
    | "enum"
    | "list"
    | "map"
    | "message"
    | "timestamp";
  /** `v1alpha1`: `flintlock.v1` fills it in */
  readonly isRequired?: "always" | "v1alpha1";
  /** Set by the daemon; what a client sends is ignored */
  readonly isOutput?: true;
  /** What absent, empty or 0 stands for */
  readonly default?: string | number | boolean;
  /** The same in `flintlock.v1`, where it differs */
  readonly defaultV1?: string | number | boolean;
  /** Bounds of a number that is not 0, or whose 0 has no meaning of its own */
  readonly min?: number;
  readonly max?: number;
  /** The words an enumeration or string may be */
  readonly values?: readonly string[];
  /** Entries of a list or map */
  readonly maxItems?: number;
  /** Each entry of a list of texts */
  readonly item?: TextRule;
  readonly key?: TextRule;
  readonly value?: TextRule;
  /** Characters of all keys and values together */
  readonly maxTotal?: number;
  /** What it is and does, one sentence */
  readonly note: string;
}
