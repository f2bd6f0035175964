import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { uploadImage } from "@flintlock/client";
import { usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { imageView } from "../image-view.ts";
import { followPull } from "../pull.ts";
import { listFiles, tarDirectory } from "../tar-directory.ts";
import type { Verb } from "../verb.ts";

const CHUNK_BYTES = 256 * 1024;

export const imageLoad: Verb = {
  configure: (command) => {
    command
      .argument("<source>", "OCI layout (directory), OCI archive or docker save archive; - for stdin")
      .option("-t, --tag <reference>", "name for an image that carries none");
  },

  run: async (context, command) => {
    const source = command.args[0] ?? "";
    const reference = command.opts<{ tag?: string }>().tag ?? "";
    const { bytes, totalBytes } = await openSource(context, source);
    const client = await context.connect();
    const progress = context.progress();
    const onSent = (doneBytes: number) =>
      progress.update("send", { stage: doneBytes === totalBytes ? "done" : "send", doneBytes, totalBytes });
    const responses = uploadImage(client, bytes, { reference, signal: context.signal, onSent });
    const images = await followPull(
      context,
      source === "-" ? "from stdin" : source,
      "loaded",
      responses,
      progress,
    );
    const fallback = context.globals.output ?? "name";
    await context.printList(imageView(), images, fallback);
    return EXIT.success;
  },
};

interface Source {
  readonly bytes: AsyncIterable<Uint8Array | string>;
  /** 0 = unknown */
  readonly totalBytes: number;
}

const openSource = async (context: Context, source: string): Promise<Source> => {
  if (source === "-") {
    if (context.io.stdin.isTTY)
      throw usageError("load -: standard input is a terminal", "flintlock image load - < FILE");
    return { bytes: context.io.stdin, totalBytes: 0 };
  }
  const found = await stat(source).catch((error: unknown) => {
    throw usageError(`${source}: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (!found.isDirectory()) {
    return { bytes: createReadStream(source, { highWaterMark: CHUNK_BYTES }), totalBytes: found.size };
  }
  const isLayout = await stat(join(source, "index.json")).then(
    (index) => index.isFile(),
    () => false,
  );
  if (!isLayout) throw usageError(`${source}: a directory without index.json is no OCI layout`);
  const files = await listFiles(source);
  const totalBytes = files.reduce((sum, file) => sum + 512 + Math.ceil(file.sizeBytes / 512) * 512, 1024);
  return { bytes: tarDirectory(source, files), totalBytes };
};
