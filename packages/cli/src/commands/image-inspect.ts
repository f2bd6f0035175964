import { EXIT } from "../exit-codes.ts";
import { imageView } from "../image-view.ts";
import { dataFormat, renderData } from "../output.ts";
import type { Verb } from "../verb.ts";

export const imageInspect: Verb = {
  configure: (command) => {
    command.argument("<reference>", "image reference");
  },

  run: async (context, command) => {
    const client = await context.connect();
    const image = await client.images.inspect(
      { reference: command.args[0] ?? "" },
      { signal: context.signal },
    );
    await context.print(await renderData([imageView().toObject(image)], dataFormat(context.globals.output)));
    return EXIT.success;
  },
};
