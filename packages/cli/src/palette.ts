import pc from "picocolors";
import type { Io, Output } from "./io.ts";

export type Palette = ReturnType<typeof pc.createColors>;

/** Colours for one stream: only on a terminal, and only when neither the user nor `NO_COLOR` objects. */
export const paletteFor = (io: Io, stream: Output, wantsColor: boolean): Palette => {
  const isPlain = !wantsColor || Boolean(io.env["NO_COLOR"]) || io.env["TERM"] === "dumb";
  return pc.createColors(!isPlain && stream.isTTY === true);
};
