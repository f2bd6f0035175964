/** `flintlock.v1.Images`. */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import {
  Images,
  ListImagesResponseSchema,
  type LoadRequest,
  PruneImagesResponseSchema,
} from "@flintlock/api";
import { invalidField } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import { wireBytes, wireImage, wireImageEvent } from "../convert/image.ts";
import { type BoundService, bindService } from "../service.ts";
import { splitFirst } from "./duplex.ts";

export const imagesService = (): BoundService =>
  bindService(Images, {
    pull: async function* ({ reference, policy }, { signal, useCases: { images } }) {
      for await (const event of images.pull(required(reference), policy, signal)) yield wireImageEvent(event);
    },
    load: async function* (requests, { signal, useCases: { images } }) {
      const { first, rest } = await splitFirst(abortable(requests, signal));
      if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
      const { reference } = first.payload.value;
      for await (const event of images.load(reference, archiveOf(rest), signal)) yield wireImageEvent(event);
    },
    list: async (_request, { useCases: { images } }) => {
      const list = await images.list();
      return create(ListImagesResponseSchema, {
        images: list.map((image) => wireImage(image, image.usedBy)),
      });
    },
    inspect: async ({ reference }, { useCases: { images } }) => {
      const image = await images.inspect(required(reference));
      return wireImage(image, image.usedBy);
    },
    remove: async ({ reference }, { useCases: { images } }) => {
      await images.remove(required(reference));
      return create(EmptySchema);
    },
    prune: async (_request, { useCases: { images } }) => {
      const { freedBytes } = await images.prune();
      return create(PruneImagesResponseSchema, { freedBytes: wireBytes(freedBytes) });
    },
  });

/** The archive's bytes: the next message is read from the client only once these are taken. */
async function* archiveOf(requests: AsyncIterable<LoadRequest>): AsyncGenerator<Uint8Array, void> {
  for await (const { payload } of requests) {
    if (payload.case === "start") throw invalidField("start", "must be the first message only");
    if (payload.case === "data") yield payload.value;
  }
}

const required = (reference: string): string => {
  if (reference === "") throw invalidField("reference", "must be an image reference");
  return reference;
};
