/** Whether the host shares what a spec's virtiofs volumes name: refused at the request, not at the boot. */

import type { Violation } from "../domain/errors.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVMSpec } from "../domain/microvm.ts";
import type { SharedDirectories } from "../ports/shared-directories.ts";

/** @throws FlintlockError `invalid_spec` – names every volume whose directory is not shared */
export const checkSharedDirectories = async (
  { additionalVolumes }: Pick<MicroVMSpec, "additionalVolumes">,
  directories: SharedDirectories,
): Promise<void> => {
  const violations: Violation[] = [];
  for (const [index, { source, isReadOnly }] of additionalVolumes.entries()) {
    if (source.kind !== "virtiofs") continue;
    const problem = await directories.refusal(source.hostPath, isReadOnly);
    const field = `additional_volumes[${index}].source.virtiofs_source`;
    if (problem !== undefined) violations.push({ field, problem });
  }
  const [first] = violations;
  if (first === undefined) return;
  throw new FlintlockError("invalid_spec", `${first.field}: ${first.problem}`, {
    detail: { field: first.field },
    violations,
    hint: "The host's operator names the directories to share with --virtiofs-root.",
  });
};
