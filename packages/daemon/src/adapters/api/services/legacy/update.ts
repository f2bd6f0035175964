/**
 * UpdateMicroVM of alpha.1. Its server stored whatever spec it was given, ignored the mask, and planned nothing: the
 * record then lied about the machine. Here labels can change; a request for any other change is refused.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { legacyTypes } from "@flintlock/api";
import { FlintlockError, invalidField, type MicroVM, type MicroVMUseCases } from "@flintlock/core";
import { type Comparable, comparableSpec, isSameValue, valueAt } from "../../convert/legacy/comparable.ts";
import { legacySpec } from "../../convert/legacy/microvm.ts";
import { findNamed } from "./named.ts";

const LABELS = "labels";
/** Set by the daemon, or what the microVM is found by: nothing can be asked of them */
const IGNORED = new Set(["id", "namespace", "created_at", "updated_at", "deleted_at"]);
const MAX_PATHS = 100;

/**
 * Makes the fields named by `paths` what they are in `wanted`. Without paths that is every field that is set, and
 * labels, set or not.
 * @throws FlintlockError `invalid_spec` – a path of no field; `failed_precondition` – a field that cannot change would
 */
export const updateMicroVM = async (
  microvms: MicroVMUseCases,
  wanted: legacyTypes.MicroVMSpec,
  paths: readonly string[],
): Promise<MicroVM> => {
  const vm = await findNamed(microvms, wanted);
  const asked = comparableSpec(wanted);
  const named = paths.length > 0 ? parsedPaths(paths) : [...setFields(asked), LABELS];
  const current = withoutInjected(comparableSpec(legacySpec(vm)), wanted);
  const changed = named.filter((path) => !isSameValue(valueAt(asked, path), valueAt(current, path)));
  const fixed = changed.filter((path) => path !== LABELS);
  if (fixed.length > 0) {
    const words = `${fixed.join(", ")}: cannot be changed; only labels can`;
    throw new FlintlockError("failed_precondition", words, {
      detail: { field: fixed[0] ?? "" },
      hint: "delete the microVM and create it anew",
    });
  }
  return changed.length === 0 ? vm : await microvms.setLabels(vm.uid, wanted.labels);
};

/** Metadata keys that the daemon adds of itself are no difference to a request that lacks them. */
const withoutInjected = (current: Comparable, { metadata }: legacyTypes.MicroVMSpec): Comparable => {
  const kept = Object.entries(current["metadata"] ?? {}).filter(
    ([key]) => !INJECTED.has(key) || Object.hasOwn(metadata, key),
  );
  const { metadata: _, ...rest } = current;
  return kept.length === 0 ? rest : { ...rest, metadata: Object.fromEntries(kept) };
};

const INJECTED = new Set(["meta-data", "network-config"]);

const parsedPaths = (paths: readonly string[]): readonly string[] => {
  if (paths.length > MAX_PATHS) throw invalidField("update_mask", `at most ${MAX_PATHS} paths are possible`);
  for (const path of paths) {
    if (isPath(legacyTypes.MicroVMSpecSchema, path.split("."))) continue;
    throw invalidField("update_mask", `${JSON.stringify(path.slice(0, 80))} is no field of MicroVMSpec`);
  }
  return [...new Set(paths)].filter((path) => !IGNORED.has(path.split(".")[0] ?? ""));
};

/** Lists and maps only at the end, as FieldMask has it. */
const isPath = (desc: DescMessage, [name, ...rest]: readonly string[]): boolean => {
  const field = desc.fields.find((each) => each.name === name);
  if (field === undefined || rest.length === 0) return field !== undefined;
  return field.fieldKind === "message" && isPath(field.message, rest);
};

const setFields = (spec: Comparable): readonly string[] =>
  Object.keys(spec).filter((name) => name !== LABELS && !IGNORED.has(name));
