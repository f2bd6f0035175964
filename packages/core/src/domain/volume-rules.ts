/** Rules for a spec's disks. */
import type { CreateInput, VolumeInput } from "./create-input.ts";
import { VOLUME_FIELDS } from "./device-fields.ts";
import { invalidField } from "./errors.ts";
import { LIST_RULES } from "./field-rules.ts";
import type { Volume, VolumeSource } from "./microvm.ts";
import { parseVolumeId } from "./names.ts";
import { parseWhole } from "./number-rules.ts";
import { parseReference } from "./reference.ts";
import { parseForm, parseRelativePath, parseText } from "./text-rules.ts";
import { parseAll, parseEach } from "./violations.ts";

const ROOT_ID = "root";

/** `bundled` stands in for the image that `flintlock.v1` may leave out. Undefined only beside an initrd. */
export const parseRootVolume = (
  { rootVolume: volume, initrd, extension }: CreateInput,
  bundled: string,
): Volume | undefined => {
  if (volume?.virtiofsSource !== undefined) {
    throw invalidField("root_volume.source.virtiofs_source", "cannot be the root; use container_source");
  }
  const source = volume?.containerSource ?? "";
  if (source === "" && extension === undefined) {
    if (initrd !== undefined && (volume === undefined || volume.id === "")) return undefined;
    throw invalidField(
      "root_volume.source",
      "is required: container_source with an image reference, or an initrd",
    );
  }
  const root = { ...(volume ?? EMPTY_VOLUME), id: volume?.id || ROOT_ID, containerSource: source || bundled };
  return parseVolume(root, "root_volume");
};

const EMPTY_VOLUME: VolumeInput = {
  id: "",
  isReadOnly: false,
  mountPoint: undefined,
  containerSource: undefined,
  virtiofsSource: undefined,
  partitionId: undefined,
  sizeInMb: undefined,
};

export const parseAdditionalVolumes = ({
  additionalVolumes: inputs,
  rootVolume,
  initrd,
}: CreateInput): readonly Volume[] => {
  const { maxItems } = LIST_RULES.additional_volumes;
  if (inputs.length > maxItems) throw invalidField("additional_volumes", `at most ${maxItems} are possible`);
  const hasRoot = (rootVolume?.containerSource ?? "") !== "" || initrd === undefined;
  const seen = new Set(hasRoot ? [rootVolume?.id || ROOT_ID] : []);
  return parseEach(inputs, (input, index) => {
    const field = `additional_volumes[${index}]`;
    const isTwice = seen.has(input.id);
    seen.add(input.id);
    const volume = parseVolume(input, field);
    if (isTwice)
      throw invalidField(`${field}.id`, `'${input.id}' is used twice; ids are unique in a microVM`);
    return volume;
  });
};

const parseVolume = (input: VolumeInput, field: string): Volume =>
  parseAll<Volume>({
    id: () => parseVolumeId(input.id, `${field}.id`),
    isReadOnly: () => input.isReadOnly,
    mountPoint: () => (input.mountPoint ? parseMountPoint(input.mountPoint, field) : undefined),
    source: () => parseSource(input, `${field}.source`),
    partitionId: () =>
      input.partitionId ? parsePartitionId(input.partitionId, `${field}.partition_id`) : undefined,
    sizeMib: () =>
      parseWhole(input.sizeInMb ?? 0, `${field}.size_in_mb`, {
        ...VOLUME_FIELDS.size_in_mb,
        default: undefined,
      }),
  });

const parseSource = ({ containerSource, virtiofsSource }: VolumeInput, field: string): VolumeSource => {
  if (virtiofsSource === undefined) {
    return { kind: "image", image: parseReference(containerSource ?? "", `${field}.container_source`) };
  }
  if (containerSource !== undefined) {
    throw invalidField(field, "has both container_source and virtiofs_source; give one");
  }
  const rule = VOLUME_FIELDS["source.virtiofs_source"];
  return { kind: "virtiofs", hostPath: parseText(virtiofsSource, `${field}.virtiofs_source`, rule) };
};

/** udev and the kernel write it in lower case. */
const parsePartitionId = (text: string, field: string): string =>
  parseForm(text, field, VOLUME_FIELDS.partition_id).toLowerCase();

/** COMPAT: fl sends "/" with every root volume, where it is. */
const parseMountPoint = (text: string, volume: string): string => {
  const rule = VOLUME_FIELDS.mount_point;
  const field = `${volume}.mount_point`;
  if (volume === "root_volume" && /^\/+$/.test(text)) return "/";
  if (!text.startsWith("/")) throw invalidField(field, `must be ${rule.form}`);
  return `/${parseRelativePath(text, field, rule)}`;
};
