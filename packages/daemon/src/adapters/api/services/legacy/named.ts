import { FlintlockError, type MicroVM, type MicroVMUseCases, notFound } from "@flintlock/core";
import { invalidRequest } from "../../errors.ts";

interface Name {
  readonly id: string;
  readonly namespace: string;
}

/**
 * The microVM of that name. Today's API may have made several of one name: one that is being deleted counts less, and of
 * two that live neither is chosen.
 * @throws FlintlockError `invalid_spec` – a part is empty; `not_found`; `failed_precondition` – several live
 */
export const findNamed = async (microvms: MicroVMUseCases, { id, namespace }: Name): Promise<MicroVM> => {
  // COMPAT: these words, and "microvm spec … not found", are the first API's
  if (id === "") throw invalidRequest("id", "microvm id is required");
  if (namespace === "") throw invalidRequest("namespace", "namespace is required");
  const found = await microvms.list({ namespace, name: id, labels: {} });
  const living = found.filter(({ deletedAt }) => deletedAt === undefined);
  const [vm, other] = living.length > 0 ? living : found.slice(-1);
  const name = `${namespace.slice(0, 80)}/${id.slice(0, 80)}`;
  if (vm === undefined) throw notFound(`microvm spec ${name}`);
  if (other === undefined) return vm;
  throw new FlintlockError("failed_precondition", `${living.length} microvms have the name ${name}`, {
    hint: "use today's API, which knows them by uid",
  });
};
