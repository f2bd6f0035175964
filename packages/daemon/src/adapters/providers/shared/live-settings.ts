/**
 * What a machine was started with and given since, in its directory: written before a VMM is launched and after each
 * change, so that it says no more than the VMM has. A power cut may lose it: the VMM is gone then, too.
 */
import { join } from "node:path";
import type { LiveSettings, MachineRef } from "@flintlock/core";
import { onlySettings } from "@flintlock/core";
import { readJson, writeText } from "./vm-files.ts";

const FILE = "settings.json";
/** 64 ports and the sizes of some dozen volumes are a tenth of it */
const MAX_BYTES = 64 * 1024;

export const writeLiveSettings = (
  { directory }: Pick<MachineRef, "directory">,
  live: LiveSettings,
): Promise<void> =>
  writeText(join(directory, FILE), JSON.stringify({ ...live, applied: onlySettings(live.applied) }));

/** Undefined for a VMM that an older daemon started, and for what the file cannot say. */
export const readLiveSettings = async ({
  directory,
}: Pick<MachineRef, "directory">): Promise<LiveSettings | undefined> => {
  const { applied, room, except } = (await readJson(join(directory, FILE), MAX_BYTES)) ?? {};
  // SAFETY: the file is ours; whoever changes it makes us change the machine once more, to what its record says.
  if (!isObject(applied) || !isCount(applied["vcpu"]) || !isCount(applied["memoryMib"])) return undefined;
  if (!Array.isArray(applied["ports"])) return undefined;
  const leeway = { ...(isObject(room) && { room }), ...(Array.isArray(except) && { except }) };
  return { applied, ...leeway } as unknown as LiveSettings;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCount = (value: unknown): boolean =>
  typeof value === "number" && Number.isInteger(value) && value > 0;
