import { invalidField, type Target } from "@flintlock/core";

/** @throws FlintlockError `invalid_spec` – empty */
export const targetOf = ({ target, namespace }: Target): Target => {
  if (target === "") throw invalidField("target", "must be a uid, a unique prefix of one, or a name");
  return { target, namespace };
};
