/** Fields of a spec's volumes and interfaces, in wire names; `volume` stands for root and additional ones. */
import type { FieldRule } from "./field-rule.ts";
import { MAX_RAW_REFERENCE } from "./reference.ts";

const UUID = /^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$/;

/** What root and additional volumes share. */
export const VOLUME_FIELDS = {
  id: {
    type: "string",
    minLength: 1,
    maxLength: 64,
    pattern: /^[A-Za-z0-9](?:(?:\.?[A-Za-z0-9_-])*\.?[A-Za-z0-9])?$/,
    form: "letters, digits, '.', '_' or '-', a letter or digit at both ends, such as 'data'",
    note: "Unique in the microVM; the disk's serial number in the guest, or its hash when over 20 characters.",
  },
  is_read_only: {
    type: "bool",
    default: false,
    note: "The guest cannot write to the disk, and it is mounted read-only.",
  },
  mount_point: {
    type: "string",
    maxLength: 4096,
    pattern: /^\/+[^/]+(?:\/[^/]+)*$/,
    form: "an absolute path in the guest without '..', '.' or empty parts",
    note: "Where the guest mounts it: our init does, or else cloud-init by generated vendor-data; absent, it is only a disk.",
  },
  source: { type: "message", note: "One of the two below." },
  "source.container_source": {
    type: "string",
    minLength: 1,
    maxLength: MAX_RAW_REFERENCE,
    note: "OCI image whose files fill the volume.",
  },
  "source.virtiofs_source": {
    type: "string",
    minLength: 1,
    maxLength: 4096,
    note: "Host directory to share; never a root, and refused by providers without virtiofs.",
  },
  partition_id: {
    type: "string",
    minLength: 36,
    maxLength: 36,
    pattern: UUID,
    form: "characters of a UUID such as 0fc63daf-8483-4772-8e79-3d69d8477de4",
    note: "The volume becomes a GPT partition with this UUID, and the guest finds it by PARTUUID; absent, the whole disk is the file system.",
  },
  size_in_mb: {
    type: "int32",
    min: 8,
    max: 1024 * 1024,
    default: "10240, doubled until the image fits",
    note: "Size of the file system in MiB, despite the name.",
  },
} as const satisfies Readonly<Record<string, FieldRule>>;

export const INTERFACE_FIELDS = {
  device_id: {
    type: "string",
    isRequired: "always",
    minLength: 1,
    maxLength: 15,
    pattern: /^[a-z][a-z0-9_]*$/,
    form: "lower-case letters, digits or '_', a letter first, such as 'eth0'",
    note: "The interface's name in the guest, unique in the microVM.",
  },
  type: {
    type: "enum",
    values: ["MACVTAP", "TAP"],
    default: "MACVTAP",
    note: "Host end of the interface; MACVTAP is refused by providers that cannot.",
  },
  guest_mac: {
    type: "string",
    maxLength: 17,
    pattern: /^(?:(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})$/,
    form: "a MAC address such as 02:00:00:00:00:01",
    default: "derived from the uid and device_id, always the same",
    note: "Unicast; returned in lower case with colons.",
  },
  address: {
    type: "message",
    note: "A static address; absent, the guest asks DHCP, and takes one of IPv6 from router advertisements.",
  },
  "address.address": {
    type: "string",
    isRequired: "always",
    maxLength: 49,
    note: "CIDR, such as 192.168.1.10/24 or fd00::10/64.",
  },
  "address.gateway": {
    type: "string",
    maxLength: 49,
    note: "CIDR as upstream wants it, or a bare address; returned with the address's prefix.",
  },
  "address.nameservers": {
    type: "list",
    maxItems: 16,
    item: { minLength: 2, maxLength: 45, pattern: /^[0-9A-Fa-f:.]+$/, form: "an IPv4 or IPv6 address" },
    note: "Resolvers, in order.",
  },
  overrides: { type: "message", note: "Instead of the daemon's settings." },
  "overrides.bridge_name": {
    type: "string",
    maxLength: 15,
    pattern: /^[A-Za-z0-9](?:\.?[A-Za-z0-9_-])*\.?$/,
    form: "the name of a host interface such as 'br0'",
    default: "the daemon's bridge",
    note: "Bridge for a TAP interface, among those the daemon allows.",
  },
} as const satisfies Readonly<Record<string, FieldRule>>;
