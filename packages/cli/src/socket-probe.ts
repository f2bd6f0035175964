/** The client's probe without the client, as in `default-address.ts`. */
export { probeSocket, type SocketState } from "../../client/src/socket-probe.ts";
