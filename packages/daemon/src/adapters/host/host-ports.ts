/** Finds free host ports by binding them for a moment. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { FlintlockError, type HostPorts, type PortPublication } from "@flintlock/core";

export const hostPorts: HostPorts = {
  async choose(publication) {
    try {
      const hostPort = await (publication.protocol === "tcp" ? bindTcp(publication) : bindUdp(publication));
      return { ...publication, hostPort };
    } catch (cause) {
      throw portError(publication, cause);
    }
  },
};

const bindTcp = async ({ hostIp, hostPort }: PortPublication): Promise<number> => {
  const server = createServer();
  server.listen({ host: hostIp, port: hostPort, exclusive: true });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
};

const bindUdp = async ({ hostIp, hostPort }: PortPublication): Promise<number> => {
  const socket = createSocket(hostIp.includes(":") ? "udp6" : "udp4");
  try {
    socket.bind({ address: hostIp, port: hostPort, exclusive: true });
    await once(socket, "listening");
    return socket.address().port;
  } finally {
    // Also after a failed bind: unlike a TCP server, the socket holds its descriptor until it is closed.
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }
};

const portError = ({ hostIp, hostPort, protocol }: PortPublication, cause: unknown): FlintlockError => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const where = `${protocol} port ${hostPort} of ${hostIp}`;
  const detail = { field: "ports" };
  if (code === "EACCES") {
    return new FlintlockError("failed_precondition", `ports: ${where} needs a privilege this daemon lacks`, {
      detail,
      hint: "publish a port above 1023",
      cause,
    });
  }
  if (code === "EADDRNOTAVAIL") {
    return new FlintlockError("failed_precondition", `ports: ${hostIp} is not an address of this host`, {
      detail,
      cause,
    });
  }
  return new FlintlockError("failed_precondition", `ports: ${where} is already in use`, {
    detail,
    hint: "publish another port, or 0 to have one picked",
    cause,
  });
};
