/**
 * Specs from files, JSON or YAML: a bare MicroVMSpec as hammertime takes it, upstream's CreateMicroVM payload
 * (`{microvm: {…}}`), or a flintlock.v1 CreateRequest. Field names in snake or camel case.
 */
import { create, ext, fromJson, types } from "@flintlock/client";
import { usageError } from "./cli-error.ts";
import type { Io } from "./io.ts";
import { readBounded } from "./read-bounded.ts";

const MAX_SPEC_BYTES = 1024 * 1024;

export const readSpecFile = async (io: Io, file: string): Promise<ext.CreateRequest> => {
  const bytes = file === "-" ? await readStdin(io) : await readBounded("--file", file, MAX_SPEC_BYTES);
  return parseSpecText(bytes.toString("utf8"), file);
};

/** @throws CliError `usage` – neither JSON nor YAML, or no spec; the text names the field */
export const parseSpecText = async (text: string, name: string): Promise<ext.CreateRequest> => {
  const { parse } = await import("./yaml-text.ts");
  const problem = (error: unknown) =>
    usageError(`--file ${name}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw problem(error);
  }
  if (!isRecord(value)) throw usageError(`--file ${name}: expected an object`);
  try {
    if (!isRecord(value["microvm"]))
      return create(ext.CreateRequestSchema, {
        microvm: fromJson(types.MicroVMSpecSchema, toJsonValue(value)),
      });
    // `metadata` beside `microvm` is gRPC metadata in upstream's request; it never reaches a guest.
    const { metadata: _, apiVersion: __, kind: ___, ...request } = value;
    return fromJson(ext.CreateRequestSchema, toJsonValue(request));
  } catch (error) {
    throw problem(error);
  }
};

/** What YAML has beyond JSON (dates, non-text keys) becomes text. */
const toJsonValue = (value: unknown) => JSON.parse(JSON.stringify(value));

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const readStdin = async (io: Io): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of io.stdin) {
    const bytes = Buffer.from(chunk);
    total += bytes.length;
    if (total > MAX_SPEC_BYTES) throw usageError(`--file -: more than ${MAX_SPEC_BYTES} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
};
