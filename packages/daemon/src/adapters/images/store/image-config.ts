/** The image configuration (image-spec config.md) from bytes, bounded; the rest of the daemon sees only the result. */
import { type Digest, FlintlockError, type ImageConfig, isDigest } from "@flintlock/core";
import { arrayOf, badData, isObject, objectOf, parseJson, stringMapOf, stringOf } from "../untrusted-json.ts";
import { MAX_CONFIG_BYTES, MAX_LAYERS, type Platform } from "./manifest.ts";

/** execve(2) takes no longer single string (MAX_ARG_STRLEN) */
const MAX_STRING = 128 * 1024;
const MAX_STRINGS = 4096;
const MAX_NAME = 4096;

export interface StoredConfig {
  readonly config: ImageConfig;
  readonly platform: Platform;
  /** Digests of the uncompressed layers, lowest first */
  readonly diffIds: readonly Digest[];
  readonly createdAt: string | undefined;
}

/** @throws FlintlockError `data_loss` – malformed or over a limit */
export const parseImageConfig = (bytes: Uint8Array): StoredConfig => {
  if (bytes.length > MAX_CONFIG_BYTES) throw badData(`the configuration is over ${MAX_CONFIG_BYTES} bytes`);
  const what = "the image configuration";
  const document = objectOf(parseJson(bytes, what), what);
  const run = isObject(document["config"]) ? document["config"] : {};
  const rootfs = objectOf(document["rootfs"] ?? {}, `${what}'s rootfs`);
  const createdAt = stringOf(document["created"], MAX_NAME, `${what}'s created`);
  return {
    config: {
      entrypoint: strings(run["Entrypoint"], `${what}'s Entrypoint`),
      cmd: strings(run["Cmd"], `${what}'s Cmd`),
      env: strings(run["Env"], `${what}'s Env`),
      user: stringOf(run["User"], MAX_NAME, `${what}'s User`),
      workingDir: stringOf(run["WorkingDir"], MAX_NAME, `${what}'s WorkingDir`),
      labels: stringMapOf(
        run["Labels"],
        { maxItems: MAX_STRINGS, maxLength: MAX_STRING },
        `${what}'s Labels`,
      ),
    },
    platform: {
      os: stringOf(document["os"], MAX_NAME, `${what}'s os`),
      architecture: stringOf(document["architecture"], MAX_NAME, `${what}'s architecture`),
      variant: stringOf(document["variant"], MAX_NAME, `${what}'s variant`),
    },
    diffIds: arrayOf(rootfs["diff_ids"], MAX_LAYERS, `${what}'s diff_ids`).map((id) => {
      if (typeof id !== "string" || !isDigest(id))
        throw badData(`${what} has a diff_id that is no sha256 digest`);
      return id;
    }),
    createdAt: createdAt === "" ? undefined : createdAt,
  };
};

/** Pairs layers with diff ids. @throws FlintlockError `data_loss` – their numbers differ */
export const checkLayerCount = (layers: number, config: StoredConfig): void => {
  if (layers === config.diffIds.length) return;
  throw new FlintlockError(
    "data_loss",
    `the image has ${layers} layers, but its configuration names ${config.diffIds.length}`,
  );
};

const strings = (value: unknown, what: string): readonly string[] =>
  arrayOf(value, MAX_STRINGS, what).map((item) => {
    if (typeof item !== "string") throw badData(`${what} has an item that is not a string`);
    return stringOf(item, MAX_STRING, what);
  });
