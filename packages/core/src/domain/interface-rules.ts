/** Rules for a spec's network interfaces. */
import { parseCidr, parseIp } from "./address.ts";
import type { InterfaceInput } from "./create-input.ts";
import { INTERFACE_FIELDS } from "./device-fields.ts";
import { invalidField } from "./errors.ts";
import { LIST_RULES } from "./field-rules.ts";
import type { NetworkInterface, StaticAddress } from "./microvm.ts";
import { parseDeviceId, parseHostInterface, parseMac } from "./names.ts";
import { parseAll, parseEach } from "./violations.ts";

export const parseInterfaces = (inputs: readonly InterfaceInput[]): readonly NetworkInterface[] => {
  const { maxItems } = LIST_RULES.interfaces;
  if (inputs.length > maxItems) throw invalidField("interfaces", `at most ${maxItems} are possible`);
  const seen = new Set<string>();
  return parseEach(inputs, (input, index) => {
    const field = `interfaces[${index}]`;
    const isTwice = seen.has(input.deviceId);
    seen.add(input.deviceId);
    const parsed = { ...parseInterface(input, field), ...(input.isForMetadata && { isForMetadata: true }) };
    if (isTwice) throw invalidField(`${field}.device_id`, `'${input.deviceId}' is used twice`);
    return parsed;
  });
};

const parseInterface = (input: InterfaceInput, field: string): NetworkInterface =>
  parseAll<NetworkInterface>({
    deviceId: () => parseDeviceId(input.deviceId, `${field}.device_id`),
    type: () => parseType(input.type, `${field}.type`),
    guestMac: () => (input.guestMac ? parseMac(input.guestMac, `${field}.guest_mac`) : undefined),
    address: () => (input.address ? parseAddress(input.address, `${field}.address`) : undefined),
    bridge: () =>
      input.bridgeName ? parseHostInterface(input.bridgeName, `${field}.overrides.bridge_name`) : undefined,
    isUserMode: () => false,
  });

const parseType = (type: number, field: string): NetworkInterface["type"] => {
  if (type === 1) return "tap";
  if (type === 0) return "macvtap";
  throw invalidField(field, `${type} is not known: use MACVTAP (0) or TAP (1)`);
};

const parseAddress = (input: NonNullable<InterfaceInput["address"]>, field: string): StaticAddress =>
  parseAll<StaticAddress>({
    address: () => cidrText(input.address, `${field}.address`),
    gateway: () => (input.gateway ? gatewayIp(input.gateway, `${field}.gateway`) : undefined),
    nameservers: () => {
      const { maxItems } = INTERFACE_FIELDS["address.nameservers"];
      if (input.nameservers.length > maxItems)
        throw invalidField(`${field}.nameservers`, `at most ${maxItems} are possible`);
      return parseEach(input.nameservers, (ip, index) => parseIp(ip, `${field}.nameservers[${index}]`));
    },
  });

const cidrText = (text: string, field: string): string => {
  const { ip, prefix } = parseCidr(text, field);
  return `${ip}/${prefix}`;
};

/** COMPAT: upstream demands a CIDR and drops the prefix; a bare address means the same. */
const gatewayIp = (text: string, field: string): string =>
  text.includes("/") ? parseCidr(text, field).ip : parseIp(text, field);
