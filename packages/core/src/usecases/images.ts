/** The image half of the use cases: the store, seen together with the microVMs that use it. */
import { FlintlockError, notFound } from "../domain/errors.ts";
import type { Image } from "../domain/image.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { parseReference } from "../domain/reference.ts";
import { imagesOf } from "../domain/spec-parts.ts";
import type { Digest } from "../domain/units.ts";
import { AsyncChannel } from "../kit/async-channel.ts";
import type { ImageLoader } from "../ports/image-loader.ts";
import type { ImageStore, OnProgress } from "../ports/image-store.ts";
import type { Repository } from "../records/repository.ts";
import type { ImageEvent, ImageUseCases, ImageWithUse } from "./api.ts";

export interface ImageParts {
  readonly store: ImageStore;
  readonly loader: ImageLoader;
  readonly repository: Repository;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export const imageUseCases = ({ store, loader, repository }: ImageParts): ImageUseCases => {
  /** By pin, or by name while nothing is pinned yet. */
  const isUser = (vm: MicroVM, { digest, reference }: Image): boolean =>
    Object.values(vm.status.images).includes(digest) ||
    (vm.status.state === "pending" && imagesOf(vm.spec).includes(reference));

  const usersOf = (image: Image): readonly string[] =>
    [...repository.all()].filter((vm) => isUser(vm, image)).map((vm) => `${vm.namespace}/${vm.id}`);

  const find = async (text: string): Promise<Image> => {
    const image = await store.find(DIGEST.test(text) ? (text as Digest) : parseReference(text, "reference"));
    if (image === undefined) throw notFound(`image ${text}`);
    return image;
  };

  return {
    pull(reference, policy, signal) {
      const parsed = parseReference(reference, "reference");
      if (policy !== "" && policy !== "missing" && policy !== "always") {
        throw new FlintlockError("invalid_spec", "policy: must be missing or always", {
          detail: { field: "policy" },
        });
      }
      return events(async (onProgress) => [
        await store.pull(parsed, { policy: policy === "always" ? "always" : "missing", onProgress }, signal),
      ]);
    },
    load(reference, archive, signal) {
      const name = reference === "" ? undefined : parseReference(reference, "reference");
      return events((onProgress) => loader.load(archive, name, onProgress, signal));
    },
    async list() {
      const images = await store.list();
      return images.map((image) => ({ ...image, usedBy: usersOf(image) }));
    },
    async inspect(reference): Promise<ImageWithUse> {
      const image = await find(reference);
      return { ...image, usedBy: usersOf(image) };
    },
    async remove(reference) {
      const image = await find(reference);
      const users = usersOf(image);
      if (users.length > 0) {
        throw new FlintlockError(
          "failed_precondition",
          `image ${image.reference} is used by ${users.join(", ")}`,
          {
            hint: "delete those microvms first",
          },
        );
      }
      // A digest stands for every name of the image.
      const names = DIGEST.test(reference)
        ? (await store.list()).filter(({ digest }) => digest === image.digest).map((one) => one.reference)
        : [image.reference];
      for (const name of names) await store.remove(name);
    },
    async prune() {
      const keep = new Set([...repository.all()].flatMap((vm) => Object.values(vm.status.images)));
      return { freedBytes: await store.prune(keep) };
    },
  };
};

/** Turns a call with a progress callback into a stream; a slow reader sees the newest progress of each blob. */
const events = async function* (
  work: (onProgress: OnProgress) => Promise<readonly Image[]>,
): AsyncIterable<ImageEvent> {
  const channel = new AsyncChannel<ImageEvent>((event) =>
    event.kind === "progress" ? event.progress.digest : undefined,
  );
  const done = work((progress) => channel.push({ kind: "progress", progress })).then(
    (images) => {
      for (const image of images) channel.push({ kind: "image", image });
      channel.close();
    },
    (error: unknown) => channel.fail(error),
  );
  yield* channel;
  await done;
};
