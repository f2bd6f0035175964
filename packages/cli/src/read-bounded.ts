import { open } from "node:fs/promises";
import { usageError } from "./cli-error.ts";

/** A file's bytes. @throws CliError `usage` – it cannot be read, or has more than `maxBytes` */
export const readBounded = async (flag: string, path: string, maxBytes: number): Promise<Buffer> => {
  const file = await open(path, "r").catch((error: unknown) => {
    throw usageError(`${flag}: ${error instanceof Error ? error.message : String(error)}`);
  });
  try {
    const chunks: Buffer[] = [];
    let total = 0;
    for await (const chunk of file.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > maxBytes) throw usageError(`${flag} ${path}: more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof Error && "errno" in error) throw usageError(`${flag} ${path}: ${error.message}`);
    throw error;
  } finally {
    await file.close();
  }
};
