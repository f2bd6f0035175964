/** cloud-init's YAML documents, read and added to without losing what else is in them. */
import { type CloudInit, type Ethernet, FlintlockError, invalidField, type SeedMount } from "@flintlock/core";
import { type Document, isMap, isScalar, parseDocument, YAMLMap } from "yaml";

export const cloudInit: CloudInit = {
  withInstanceId(metaData, uid) {
    if (metaData === undefined) return encode(lines(INSTANCE_KEYS, uid));
    const field = "metadata[meta-data]";
    const text = decode(metaData, field);
    const plain = plainKeys(text);
    if (plain !== undefined) {
      const missing = INSTANCE_KEYS.filter((key) => !plain.has(key));
      return missing.length === 0 ? metaData : encode(text + lines(missing, uid));
    }
    const document = parseMapping(text, field, "unmarshalling exists instance metadata");
    for (const { value } of itemsOf(document)) {
      if (value === null || isScalar(value)) continue;
      throw invalidField(field, "unmarshalling exists instance metadata: must be a flat map of texts");
    }
    const missing = INSTANCE_KEYS.filter((key) => (document.get(key) ?? "") === "");
    if (missing.length === 0) return metaData;
    for (const key of missing) document.set(key, uid);
    return encode(textOf(document));
  },

  withMounts(vendorData, mounts) {
    const field = "metadata[vendor-data]";
    const text = vendorData === undefined ? HEADER : decode(vendorData, field);
    if (!/^(?:## template: *jinja\s*\n\s*)?#cloud-config\s*(?:\n|$)/.test(text)) {
      throw invalidField(
        field,
        "cannot be added to: mount points need vendor-data that is #cloud-config, or none",
      );
    }
    const document = parseMapping(text, field, "unmarshalling vendor-data");
    const old = document.get("mounts");
    const own = isYamlList(old) ? (old.toJSON() as unknown[]) : [];
    document.set("mounts", document.createNode([...own, ...mounts.map(mountEntry)], { flow: true }));
    if (!document.has("mount_default_fields")) {
      document.set("mount_default_fields", document.createNode(DEFAULT_FIELDS, { flow: true }));
    }
    return encode(textOf(document));
  },

  /** JSON, which is YAML too, and takes a tenth of the time to write. */
  networkConfig: (ethernets) =>
    encode(
      JSON.stringify({
        version: 2,
        ethernets: Object.fromEntries(ethernets.map((each) => [each.deviceId, ethernet(each)])),
      }),
    ),
};

/** COMPAT: upstream writes the first only, and cloud-init's NoCloud looks for the second. */
const INSTANCE_KEYS = ["instance_id", "instance-id"] as const;

const lines = (keys: readonly string[], value: string): string =>
  keys.map((key) => `${key}: ${value}\n`).join("");

/** `key: word` and nothing else, which YAML reads in one way only. */
const PLAIN_LINE = /^([A-Za-z_][A-Za-z0-9_-]*): [A-Za-z0-9][A-Za-z0-9._/-]*$/;

/**
 * The keys of a text of plain lines, which is what most clients send and which needs no YAML parser
 * (13 % of the time of a create); undefined for anything else, a key given twice among it.
 */
const plainKeys = (text: string): ReadonlySet<string> | undefined => {
  if (!text.endsWith("\n")) return undefined;
  const given = text.slice(0, -1).split("\n");
  const keys = new Set(given.map((line) => PLAIN_LINE.exec(line)?.[1] ?? ""));
  return keys.has("") || keys.size !== given.length ? undefined : keys;
};

const HEADER = "## template: jinja\n#cloud-config\n";
/** Upstream's: mounted when it is there, checked after the root. */
const DEFAULT_FIELDS = ["None", "None", "auto", "defaults,nofail", "0", "2"] as const;

const mountEntry = ({ device, path, isReadOnly }: SeedMount): readonly string[] =>
  isReadOnly ? [device, path, "auto", "ro,nofail", "0", "2"] : [device, path];

/** COMPAT: upstream writes none; where it is what a guest takes anyway, nor do we. */
const USUAL_MTU = 1500;

/** By its MAC address, whatever the guest's kernel calls it. */
const ethernet = ({ mac, address, gateway, nameservers, mtu }: Ethernet): object => {
  const isStatic = address !== undefined;
  return {
    match: { macaddress: mac },
    ...(mtu !== undefined && mtu !== USUAL_MTU && { mtu }),
    dhcp4: !isStatic,
    dhcp6: !isStatic,
    "dhcp-identifier": "mac",
    ...(isStatic && { addresses: [address] }),
    ...(gateway !== undefined && { [gateway.includes(":") ? "gateway6" : "gateway4"]: gateway }),
    ...(nameservers.length > 0 && { nameservers: { addresses: nameservers } }),
  };
};

/** A document whose root is a map; an empty one gets an empty map. */
const parseMapping = (text: string, field: string, words: string): Document => {
  const document: Document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw invalidField(field, `${words}: ${firstLine(error.message)}`);
  if (document.contents === null) document.contents = new YAMLMap();
  if (!isMap(document.contents)) throw invalidField(field, `${words}: must be a map`);
  return document;
};

const itemsOf = ({ contents }: Document): readonly { readonly value: unknown }[] =>
  isMap(contents) ? contents.items : [];

const isYamlList = (node: unknown): node is { toJSON(): unknown } =>
  typeof node === "object" && node !== null && "items" in node && !isMap(node);

/** Lines stay as long as they are: a folded text is the same, but harder to read. */
const textOf = (document: Document): string => document.toString({ lineWidth: 0 });

/** The rules of a spec let only base64 in. @throws FlintlockError `invalid_spec` – not UTF-8 */
const decode = (base64: string, field: string): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64, "base64"));
  } catch (cause) {
    throw new FlintlockError("invalid_spec", `${field}: must be UTF-8 text`, { detail: { field }, cause });
  }
};

const encode = (text: string): string => Buffer.from(text).toString("base64");

const firstLine = (text: string): string => text.split("\n", 1)[0]?.slice(0, 200) ?? "";
