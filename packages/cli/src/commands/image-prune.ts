import { EXIT } from "../exit-codes.ts";
import { dataFormat, object, renderData } from "../output.ts";
import { printsNames } from "../targets.ts";
import { formatBytes } from "../units.ts";
import type { Verb } from "../verb.ts";

export const imagePrune: Verb = {
  configure: () => {},

  run: async (context) => {
    const client = await context.connect();
    const { freedBytes } = await client.images.prune({}, { signal: context.signal });
    const text = printsNames(context)
      ? `freed ${formatBytes(Number(freedBytes))}\n`
      : await renderData(
          object("Prune", { freedBytes: String(freedBytes) }),
          dataFormat(context.globals.output),
        );
    await context.print(text);
    return EXIT.success;
  },
};
