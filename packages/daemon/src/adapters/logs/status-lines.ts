/** The lines of a guest's status (docs/guest-protocol.md) that are its init's, or its agent's. */
import type { LogSource } from "@flintlock/core";

/** The guest's lines have 512 bytes at most; of a longer one the rest is dropped */
const MAX_LINE_BYTES = 4096;

/** Takes bytes as they come, and gives the whole lines among them that are the source's. */
export const statusLines = (source: LogSource): ((bytes: Uint8Array) => Uint8Array) => {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    const text = Buffer.concat([rest, bytes]);
    const end = text.lastIndexOf(0x0a) + 1;
    rest = Buffer.from(text.subarray(end, end + MAX_LINE_BYTES));
    const lines = text
      .subarray(0, end)
      .toString("latin1")
      .split(/(?<=\n)/);
    const isAgents = source === "agent";
    return Buffer.from(lines.filter((line) => /"from":"agent"/.test(line) === isAgents).join(""), "latin1");
  };
};
