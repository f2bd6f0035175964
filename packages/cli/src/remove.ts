import type { Client } from "@flintlock/client";
import { codeOf } from "./cli-error.ts";

/** Deletes a microVM and, unless told otherwise, waits until it is gone. @throws ClientError */
export const removeMicroVM = async (
  client: Client,
  target: string,
  namespace: string,
  signal: AbortSignal,
  waits = true,
): Promise<void> => {
  // The uid, so that a namesake created in between is not waited for.
  const vm = await client.microvms.get({ target, namespace }, { signal });
  const uid = vm.microvm?.spec?.uid ?? target;
  await client.microvms.delete({ target: uid, namespace }, { signal });
  if (!waits) return;
  try {
    for await (const _ of client.microvms.wait({ target: uid, namespace, condition: "deleted" }, { signal }));
  } catch (error) {
    // Gone before we asked: just what we wait for.
    if (codeOf(error) !== "not_found") throw error;
  }
};
