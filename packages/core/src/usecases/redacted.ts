/** A record without its secrets, for those who may look and not act. */
import type { MicroVM } from "../domain/microvm.ts";

const known = new WeakMap<MicroVM, MicroVM>();

/**
 * Metadata and environment keep their keys and lose their values: user-data and variables are where secrets travel.
 * One object for one record, so that its encodings are made once.
 */
export const redacted = (vm: MicroVM): MicroVM => {
  const before = known.get(vm);
  if (before !== undefined) return before;
  const { spec } = vm;
  const without: MicroVM = {
    ...vm,
    spec: {
      ...spec,
      metadata: emptied(spec.metadata),
      process: { ...spec.process, env: emptied(spec.process.env) },
    },
  };
  known.set(vm, without);
  return without;
};

const emptied = (values: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.keys(values).map((key) => [key, ""]));
