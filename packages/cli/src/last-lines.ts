import type { Client } from "@flintlock/client";
import { deadline } from "./deadline.ts";

const LINES = 8;
const DEADLINE_MS = 3_000;
const MAX_BYTES = 8 * 1024;

/** The end of a guest's console, or of its VMM's log; empty when there is none to be had. */
export const lastLines = async (
  client: Client,
  target: string,
  source: "console" | "vmm",
  interrupt?: AbortSignal,
): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    const limit = deadline(DEADLINE_MS);
    const signal = interrupt === undefined ? limit : AbortSignal.any([limit, interrupt]);
    for await (const { data } of client.microvms.logs({ target, source, tail: LINES }, { signal })) {
      chunks.push(data);
      total += data.length;
      if (total > MAX_BYTES) break;
    }
  } catch {
    interrupt?.throwIfAborted();
    // The error at hand is told without its console, then.
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replaceAll("\r", "")
    .trim()
    .split("\n")
    .slice(-LINES)
    .join("\n");
};
