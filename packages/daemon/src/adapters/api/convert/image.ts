import { create } from "@bufbuild/protobuf";
import { ImageSchema, type PullResponse, PullResponseSchema, type Image as WireImage } from "@flintlock/api";
import type { Image, ImageEvent } from "@flintlock/core";

export const wireImage = (image: Image, usedBy: readonly string[] = []): WireImage =>
  create(ImageSchema, {
    reference: image.reference,
    digest: image.digest,
    sizeBytes: wireBytes(image.sizeBytes),
    layers: image.layers,
    created: image.createdAt ?? "",
    platform: image.platform,
    entrypoint: [...image.config.entrypoint],
    cmd: [...image.config.cmd],
    env: [...image.config.env],
    user: image.config.user,
    workingDir: image.config.workingDir,
    labels: { ...image.config.labels },
    usedBy: [...usedBy],
  });

export const wireImageEvent = (event: ImageEvent): PullResponse => {
  if (event.kind === "image") {
    return create(PullResponseSchema, { payload: { case: "image", value: wireImage(event.image) } });
  }
  const { stage, digest, doneBytes, totalBytes } = event.progress;
  return create(PullResponseSchema, {
    payload: {
      case: "progress",
      value: { stage, digest, doneBytes: wireBytes(doneBytes), totalBytes: wireBytes(totalBytes) },
    },
  });
};

/** A count of bytes as uint64; a size that a registry left out or made up is 0 rather than an error. */
export const wireBytes = (bytes: number): bigint =>
  Number.isSafeInteger(bytes) && bytes > 0 ? BigInt(bytes) : 0n;
