/** IP addresses and CIDRs as text: enough to check and to take apart, without a socket. */
import { invalidField } from "./errors.ts";

export interface Cidr {
  readonly ip: string;
  readonly prefix: number;
  readonly family: 4 | 6;
}

const OCTET = /^(0|[1-9][0-9]{0,2})$/;

export const isIPv4 = (text: string): boolean => {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => OCTET.test(part) && Number(part) <= 255);
};

export const isIPv6 = (text: string): boolean => {
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(text)) return false;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = (half: string): readonly string[] => (half === "" ? [] : half.split(":"));
  const all = halves.flatMap(groups);
  const last = all.at(-1);
  const hasV4Tail = last?.includes(".") ?? false;
  const hex = hasV4Tail ? all.slice(0, -1) : all;
  if (hasV4Tail && !isIPv4(last ?? "")) return false;
  if (!hex.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  const count = hex.length + (hasV4Tail ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
};

export const familyOf = (ip: string): 4 | 6 | undefined => (isIPv4(ip) ? 4 : isIPv6(ip) ? 6 : undefined);

export const parseIp = (text: string, field: string): string => {
  if (familyOf(text) === undefined) throw invalidField(field, "must be an IPv4 or IPv6 address");
  return text;
};

export const parseCidr = (text: string, field: string): Cidr => {
  const [ip = "", prefix = "", ...rest] = text.split("/");
  const family = familyOf(ip);
  const bits = /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (family === undefined || rest.length > 0 || !(bits <= (family === 4 ? 32 : 128))) {
    throw invalidField(
      field,
      "must be an address with a prefix length, such as 192.168.1.10/24 or fd00::10/64",
    );
  }
  return { ip, prefix: bits, family };
};
