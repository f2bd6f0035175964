import type { CheckResponse } from "@flintlock/client";
import { EXIT } from "../exit-codes.ts";
import { object, renderData } from "../output.ts";
import type { Palette } from "../palette.ts";
import { printable } from "../printable.ts";
import { formatDuration } from "../units.ts";
import type { Verb } from "../verb.ts";

export const doctor: Verb = {
  configure: () => {},

  run: async (context) => {
    const { globals, palette, signal } = context;
    const client = await context.connect();
    const checks: CheckResponse[] = [];
    const isText = globals.output === undefined || ["table", "wide", "name"].includes(globals.output);
    for await (const check of client.host.check({}, { signal })) {
      checks.push(check);
      if (isText) await context.print(checkLine(check, palette));
      else if (globals.output === "ndjson")
        await context.print(await renderData(checkObject(check), "ndjson"));
    }
    if (globals.output === "json" || globals.output === "yaml") {
      await context.print(await renderData(checks.map(checkObject), globals.output));
    }
    return checks.some((check) => check.result === "fail") ? EXIT.unsupported : EXIT.success;
  },
};

const checkObject = ({ name, result, detail, hint, ms }: CheckResponse) =>
  object("Check", { name, result, detail, hint, ms });

const checkLine = ({ name, result, detail, hint, ms }: CheckResponse, palette: Palette): string => {
  const color = { ok: palette.green, warn: palette.yellow, fail: palette.red }[result] ?? palette.red;
  const took = ms >= 100 ? palette.dim(` (${formatDuration(ms)})`) : "";
  const line = `${color(printable(result).padEnd(4))}  ${printable(name).padEnd(20)}  ${printable(detail)}${took}`;
  return hint === "" ? `${line}\n` : `${line}\n      ${palette.bold("try:")} ${printable(hint)}\n`;
};
