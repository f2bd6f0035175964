import { EXIT } from "../exit-codes.ts";
import { imageView } from "../image-view.ts";
import type { Verb } from "../verb.ts";

export const imageLs: Verb = {
  configure: () => {},

  run: async (context) => {
    const client = await context.connect();
    const { images } = await client.images.list({}, { signal: context.signal });
    await context.printList(imageView(), images);
    return EXIT.success;
  },
};
