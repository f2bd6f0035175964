/** What the guest finds at 169.254.169.254: Firecracker's MMDS (docs/mmds/mmds-user-guide.md of its repository). */
import { FlintlockError, invalidField, type Machine } from "@flintlock/core";

export interface MetadataContent {
  readonly latest: Readonly<Record<string, string>>;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * COMPAT: each value is decoded, and one that is not base64 is given as it is; any key may be asked for. Undefined when
 * the machine has no metadata, or no interface to ask over.
 * @throws FlintlockError `invalid_spec` – bytes that no JSON text holds, or more than `limitBytes`
 */
export const metadataContent = (machine: Machine, limitBytes: number): MetadataContent | undefined => {
  const { metadata } = machine;
  if (metadata === undefined || metadataInterface(machine) === undefined) return undefined;
  const latest: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata)) latest[key] = decoded(key, value);
  const bytes = Buffer.byteLength(JSON.stringify({ latest }));
  if (bytes <= limitBytes) return { latest };
  throw new FlintlockError(
    "invalid_spec",
    `metadata: takes ${bytes} bytes in the metadata service, which has room for ${limitBytes}`,
    {
      detail: { field: "metadata", bytes, limit: limitBytes },
      hint: "Give less, or start flintlockd with a larger --firecracker-mmds-size-limit.",
    },
  );
};

/**
 * The interface over which the guest asks. Where the caller has an `eth0` of its own there is none for the purpose: then
 * it is that one, or the first; Firecracker answers there, and the rest of its traffic goes on to the TAP.
 */
export const metadataInterface = ({ interfaces }: Pick<Machine, "interfaces">): string | undefined => {
  const found =
    interfaces.find(({ isForMetadata }) => isForMetadata === true) ??
    interfaces.find(({ deviceId }) => deviceId === "eth0") ??
    interfaces[0];
  return found?.deviceId;
};

const decoded = (key: string, value: string): string => {
  if (!BASE64.test(value)) return value;
  const bytes = Buffer.from(value, "base64");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidField(
      `metadata[${key}]`,
      "is not text, and the metadata service holds only text; compressed data can be given as base64 in a cloud-config",
    );
  }
};
