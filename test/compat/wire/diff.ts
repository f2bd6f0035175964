/** Where two answers differ, leaf by leaf. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Answer } from "./case.ts";

export interface Difference {
  /** `body.microvm.spec.interfaces[eth0].type`: items of a list go by their device id or id where they have one */
  readonly path: string;
  /** Undefined: absent */
  readonly upstream: JsonValue | undefined;
  readonly ours: JsonValue | undefined;
}

/**
 * Where one accepts what the other refuses there is one difference, `outcome`: the rest follows from it.
 * Both are then the code or status, and the message of the one that refuses.
 */
export const diffAnswers = (upstream: Answer, ours: Answer): readonly Difference[] =>
  isAccepted(upstream) === isAccepted(ours)
    ? diff("", upstream as unknown as JsonObject, ours as unknown as JsonObject)
    : [{ path: "outcome", upstream: outcomeOf(upstream), ours: outcomeOf(ours) }];

const isAccepted = ({ code, status = 0 }: Answer): boolean =>
  code === undefined ? status >= 200 && status < 300 : code === "OK";

const outcomeOf = (answer: Answer): string => {
  const code = answer.code ?? String(answer.status);
  if (isAccepted(answer)) return code;
  const body = answer.body as
    | { readonly message?: string; readonly error?: { readonly message?: string } }
    | undefined;
  return `${code} ${answer.message ?? body?.message ?? body?.error?.message ?? ""}`.trimEnd();
};

const diff = (path: string, a: JsonValue | undefined, b: JsonValue | undefined): readonly Difference[] => {
  const [left, right] = [childrenOf(a), childrenOf(b)];
  if (left === undefined || right === undefined || Array.isArray(a) !== Array.isArray(b)) {
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, upstream: a, ours: b }];
  }
  const keys = new Set([...left.keys(), ...right.keys()]);
  return [...keys].flatMap((key) => {
    const at = Array.isArray(a) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    return diff(at, left.get(key), right.get(key));
  });
};

const childrenOf = (value: JsonValue | undefined): ReadonlyMap<string, JsonValue> | undefined => {
  if (Array.isArray(value)) {
    const keys = value.map(keyOf);
    const areUnique = new Set(keys).size === keys.length;
    return new Map(value.map((item, index) => [areUnique ? (keys[index] ?? "") : String(index), item]));
  }
  if (typeof value !== "object" || value === null) return undefined;
  return new Map(Object.entries(value));
};

/** Of an interface, a volume, a microVM, or a message that holds one. */
const keyOf = (item: JsonValue, index: number): string => {
  const { deviceId, id, spec, microvm } = fieldsOf(item);
  const vm = fieldsOf(fieldsOf(microvm)["spec"] ?? microvm ?? spec);
  return String(deviceId ?? id ?? vm["id"] ?? index);
};

const fieldsOf = (value: JsonValue | undefined): Readonly<Record<string, JsonValue>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
