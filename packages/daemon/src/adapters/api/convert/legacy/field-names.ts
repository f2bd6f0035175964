/** The core names fields as today's API does; a client of the first one is told of its own. */
import { FlintlockError } from "@flintlock/core";
import type { SplitVolumes } from "./volumes.ts";

/** What `work` gives; an error about a field of the request is told in the first API's names. */
export const inLegacyNames = async <T>(volumes: SplitVolumes, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw error instanceof FlintlockError ? renamed(error, volumes) : error;
  }
};

const renamed = (error: FlintlockError, volumes: SplitVolumes): FlintlockError => {
  const { code, message, detail, hint, cause } = error;
  const field = detail["field"];
  if (typeof field !== "string") return error;
  const names = error.violations.map((violation) => [violation.field, legacyField(violation.field, volumes)]);
  const inWords = (text: string): string =>
    names.reduce((words, [ours = "", theirs]) => words.replaceAll(`${ours}: `, () => `${theirs}: `), text);
  return new FlintlockError(code, inWords(message), {
    detail: { ...detail, field: legacyField(field, volumes) },
    violations: error.violations.map((violation) => ({
      field: legacyField(violation.field, volumes),
      problem: inWords(violation.problem),
    })),
    hint,
    cause,
  });
};

/** Such as `additional_volumes[0].mount_point` to `volumes[1].mount_point`. */
export const legacyField = (field: string, { rootIndex, additionalIndexes }: SplitVolumes): string =>
  field
    .replace(/^root_volume\b/, rootIndex === undefined ? "volumes" : `volumes[${rootIndex}]`)
    .replace(
      /^additional_volumes(?:\[(\d+)\])?/,
      (_, index?: string) =>
        `volumes${at(index === undefined ? undefined : additionalIndexes[Number(index)])}`,
    )
    .replace(/^(interfaces\[\d+\])\.device_id$/, "$1.guest_device_name")
    .replace(/^(interfaces\[\d+\])\.address\.address$/, "$1.address")
    .replace(/^kernel\.cmdline\[.*$/s, "kernel.cmdline");

const at = (index: number | undefined): string => (index === undefined ? "" : `[${index}]`);
