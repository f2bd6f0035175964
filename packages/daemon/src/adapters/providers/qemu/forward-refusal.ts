/** Why a port of the host could not be published. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { FlintlockError } from "@flintlock/core";

const FORWARD_FAILED = /Could not set up host forwarding rule '(tcp|udp):([\d.]+):(\d+)-/;

/** Undefined when QEMU's words are not of that. */
export const forwardRefusal = async (words: string, cause: Error): Promise<FlintlockError | undefined> => {
  const [, protocol, address, port] = words.match(FORWARD_FAILED) ?? [];
  if (protocol === undefined || address === undefined) return undefined;
  const why = await portObstacle(protocol, address, Number(port));
  return new FlintlockError("failed_precondition", `port ${address}:${port}/${protocol} ${why}`, {
    hint: "Publish on another host port, or end what uses this one.",
    detail: { port: Number(port) },
    cause,
  });
};

/** QEMU does not say why it cannot listen; so we try. */
const portObstacle = async (protocol: string, address: string, port: number): Promise<string> => {
  const code = protocol === "tcp" ? await tcpObstacle(address, port) : await udpObstacle(address, port);
  switch (code) {
    case "EADDRNOTAVAIL":
      return "cannot be published: the address is none of this host";
    case "EACCES":
      return "cannot be published: ports below 1024 need a privilege";
    default:
      return "is in use";
  }
};

const tcpObstacle = async (host: string, port: number): Promise<string> =>
  await new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(codeOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve("")));
  });

const udpObstacle = async (address: string, port: number): Promise<string> =>
  await new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => socket.close(() => resolve(codeOf(error))));
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve("")));
  });

const codeOf = (error: Error): string => ("code" in error ? String(error.code) : "");
