/** Finds the VM a caller means: by uid, by name, or by the beginning of a uid. */
import { FlintlockError, invalidField, notFound } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { isUid } from "../domain/names.ts";
import type { Uid } from "../domain/units.ts";
import type { Target } from "./api.ts";

/** A shorter one would soon stand for another VM: ULIDs of one day share their first characters. */
const MIN_PREFIX = 4;

/** The VMs among which one is looked for: all, or those that a caller may see. */
export interface Findable {
  find(uid: Uid): MicroVM | undefined;
  all(): Iterable<MicroVM>;
}

/** @throws FlintlockError `not_found`; `invalid_spec` – several VMs fit */
export const resolveTarget = (among: Findable, asked: Target): MicroVM => {
  const { target, namespace } = qualified(asked);
  if (target === "") throw invalidField("target", "must be a uid, the beginning of one, or a name");
  const upper = target.toUpperCase();
  if (isUid(upper)) {
    const vm = among.find(upper);
    if (vm === undefined) throw notFound(`microvm ${upper}`);
    return vm;
  }
  const isHere = (vm: MicroVM) => namespace === "" || vm.namespace === namespace;
  const named = find(among, (vm) => vm.id === target && isHere(vm));
  const found =
    named.length > 0 || target.length < MIN_PREFIX
      ? named
      : find(among, (vm) => vm.uid.startsWith(upper) && isHere(vm));
  const [vm, other] = found;
  if (vm === undefined) throw notFound(`microvm ${JSON.stringify(target.slice(0, 80))}`);
  if (other === undefined) return vm;
  throw new FlintlockError("invalid_spec", `target: '${target}' fits ${found.length} microvms`, {
    detail: { field: "target" },
    hint: `give more of the uid, or the namespace: ${found
      .slice(0, 4)
      .map((one) => `${one.namespace}/${one.id} ${one.uid}`)
      .join(", ")}`,
  });
};

/** `namespace/name`, as our own messages write it. */
const qualified = ({ target, namespace }: Target): Target => {
  const [first = "", name] = target.split("/", 2);
  return name === undefined || namespace !== "" ? { target, namespace } : { target: name, namespace: first };
};

const find = (among: Findable, fits: (vm: MicroVM) => boolean): readonly MicroVM[] =>
  [...among.all()].filter(fits);
