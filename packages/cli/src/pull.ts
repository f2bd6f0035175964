/** Streams of the image service, shown layer by layer. */
import type { Image, PullResponse } from "@flintlock/client";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";
import { formatBytes, formatDuration } from "./units.ts";

/** Follows a Pull or Load to its image. @throws ClientError */
export const followPull = async (
  context: Context,
  title: string,
  verb: "pulled" | "loaded",
  responses: AsyncIterable<PullResponse>,
  progress: Progress = context.progress(),
): Promise<readonly Image[]> => {
  const images: Image[] = [];
  const startedMs = Date.now();
  let summary: string | undefined;
  try {
    for await (const { payload } of responses) {
      if (payload.case === "image") images.push(payload.value);
      if (payload.case !== "progress") continue;
      const { stage, digest, doneBytes, totalBytes } = payload.value;
      progress.update(digest === "" ? title : shortDigest(digest), {
        stage,
        doneBytes: Number(doneBytes),
        totalBytes: Number(totalBytes),
      });
    }
    const bytes = images.reduce((sum, image) => sum + Number(image.sizeBytes), 0);
    const layers = images.reduce((sum, image) => sum + image.layers, 0);
    const took = formatDuration(Date.now() - startedMs);
    summary = `${verb} ${title} (${layers} layers, ${formatBytes(bytes)}) in ${took}`;
  } finally {
    progress.end(summary);
  }
  return images;
};

/** `sha256:0123456789ab…` as 12 digits. */
export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, "").slice(0, 12);
