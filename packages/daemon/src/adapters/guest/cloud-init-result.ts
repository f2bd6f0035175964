/** What a guest's cloud-init says of its end (cloud-init's docs, "status": `/run/cloud-init/result.json`). */
import { FlintlockError, type ProbeAnswer } from "@flintlock/core";
import type { GuestRun } from "./guest-run.ts";
import { oneLine } from "./guest-words.ts";

const RESULT = "/run/cloud-init/result.json";
/** Of older ones; on a disk, so that one of an earlier boot has to be told apart */
const FINISHED = "/var/lib/cloud/instance/boot-finished";

/** Prints the result; or a word for where it stands. */
const SCRIPT = `
if [ -s ${RESULT} ]; then cat ${RESULT}; exit; fi
boot=$(sed -n 's/^btime //p' /proc/stat)
if [ -e ${FINISHED} ] && [ "$(stat -c %Y ${FINISHED})" -ge "\${boot:-0}" ]; then echo finished
elif [ -e /run/cloud-init/disabled ]; then echo disabled
elif [ -e /run/cloud-init ]; then echo running
else echo absent; fi
`;

export const CLOUD_INIT_QUESTION = { cmd: "/bin/sh", args: ["-c", SCRIPT] } as const;

const MAX_ERRORS_TEXT = 250;

export const cloudInitAnswer = ({ code, stdout, error }: GuestRun): ProbeAnswer => {
  const word = stdout.trim();
  if (error !== undefined || code !== 0) return { isMet: false, seen: error ?? `sh ended with ${code}` };
  switch (word) {
    case "finished":
      return { isMet: true, seen: "boot finished" };
    case "disabled":
      return hopeless("cloud-init is disabled in this guest");
    case "running":
      return { isMet: false, seen: "cloud-init has not finished" };
    case "absent":
      return { isMet: false, seen: "no cloud-init has begun in this guest" };
  }
  const result = resultOf(word);
  if (result === undefined) return { isMet: false, seen: `${RESULT} is not whole` };
  if (result.errors.length === 0) return { isMet: true, seen: result.datasource };
  return hopeless(`cloud-init finished with errors: ${oneLine(result.errors.join("; "), MAX_ERRORS_TEXT)}`);
};

const hopeless = (what: string): ProbeAnswer => ({
  isMet: false,
  seen: what,
  hopeless: new FlintlockError("failed_precondition", what, {
    hint: "its /var/log/cloud-init.log tells more",
  }),
});

/** `{"v1": {"datasource": "DataSourceNone", "errors": []}}` */
const resultOf = (
  text: string,
): { readonly datasource: string; readonly errors: readonly string[] } | undefined => {
  try {
    const { v1 } = JSON.parse(text) as { readonly v1: Readonly<Record<string, unknown>> };
    const { errors, datasource } = v1;
    if (!Array.isArray(errors)) return undefined;
    const name = typeof datasource === "string" ? oneLine(datasource, MAX_ERRORS_TEXT) : "boot finished";
    return { datasource: name, errors: errors.map(String) };
  } catch {
    return undefined;
  }
};
