/** Small files of a VM's directory, written so that a crash leaves the old one or the new one. */
import { open, readFile, rename } from "node:fs/promises";

const MAX_BYTES = 4096;

/** Writes `value` durably under `path`. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  replace(path, `${JSON.stringify(value)}\n`, { isDurable: true });

/** Writes `text` under `path`, where it is as a whole or not at all; a power cut may lose it. */
export const writeText = (path: string, text: string): Promise<void> =>
  replace(path, text, { isDurable: false });

const replace = async (
  path: string,
  text: string,
  { isDurable }: { readonly isDurable: boolean },
): Promise<void> => {
  const temporary = `${path}.tmp`;
  {
    await using file = await open(temporary, "w", 0o600);
    await file.writeFile(text);
    if (isDurable) await file.sync();
  }
  await rename(temporary, path);
};

/** The object in `path`; undefined when it is absent, torn, longer than `maxBytes` or not an object. */
export const readJson = async (
  path: string,
  maxBytes = MAX_BYTES,
): Promise<Readonly<Record<string, unknown>> | undefined> => {
  try {
    const text = await readFile(path, "utf8");
    const value: unknown = text.length > maxBytes ? undefined : JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch (error) {
    // Absent, or torn by a power cut: who asks has another way to find out.
    if (error instanceof SyntaxError || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
};
