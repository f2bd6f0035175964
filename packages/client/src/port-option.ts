import { ClientError } from "./client-error.ts";

export interface PortObject {
  readonly guestPort: number;
  /** 0 or absent: the daemon picks one, and `vm.ports` has it */
  readonly hostPort?: number | undefined;
  /** 127.0.0.1 when absent */
  readonly hostIp?: string | undefined;
  readonly protocol?: "tcp" | "udp" | undefined;
}

/** A guest port; or `[ip:]host:guest[/udp]`, an IPv6 address in brackets; or its parts */
export type PortOption = number | string | PortObject;

export interface PublishedPort extends Required<PortObject> {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly protocol: "tcp" | "udp";
}

const FORM =
  /^(?:(?:\[(?<ip6>[^\]]+)\]|(?<ip4>[^:[\]/]+)):)??(?:(?<host>\d{0,5}):)?(?<guest>\d{1,5})(?:\/(?<protocol>tcp|udp))?$/;

/** @throws ClientError `invalid_spec` */
export const portOf = (option: PortOption, field: string): PublishedPort => {
  const { guestPort, hostPort = 0, hostIp = "", protocol = "tcp" } = parts(option, field);
  if (!isPort(guestPort, 1) || !isPort(hostPort, 0)) throw badPort(option, field);
  return { guestPort, hostPort, hostIp, protocol };
};

/** A host port, or more of what tells it from others */
export type ListenerOption = number | Pick<PublishedPort, "hostPort"> | Omit<PublishedPort, "guestPort">;

/** @throws ClientError `invalid_spec` */
export const listenerOf = (option: ListenerOption, field: string): Partial<PublishedPort> => {
  const listener = typeof option === "number" ? { hostPort: option } : option;
  if (isPort(listener.hostPort, 1)) return { ...listener };
  throw new ClientError("invalid_spec", `${field}: must be a host port from 1 to 65535`, { field });
};

const parts = (option: PortOption, field: string): PortObject => {
  if (typeof option === "object") return option;
  const groups = FORM.exec(String(option))?.groups;
  if (groups === undefined) throw badPort(option, field);
  const { ip6, ip4, host, guest, protocol = "tcp" } = groups;
  return {
    guestPort: Number(guest),
    hostPort: Number(host ?? 0),
    hostIp: ip6 ?? ip4 ?? "",
    protocol: protocol === "udp" ? "udp" : "tcp",
  };
};

const isPort = (port: number, min: number): boolean =>
  Number.isInteger(port) && port >= min && port <= 65_535;

const badPort = (option: PortOption, field: string): ClientError => {
  const text = `${field}: ${JSON.stringify(option)} is no port; write 80, "8080:80" or "127.0.0.1:8080:80/udp"`;
  return new ClientError("invalid_spec", text, { field });
};
