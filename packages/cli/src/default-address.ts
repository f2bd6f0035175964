/**
 * The client's rule for where the daemon is, without the client: loading gRPC takes longer than all of
 * `flintlock version`, so this one file of the package is imported on its own.
 */
export { defaultAddress, resolveSocketPath } from "../../client/src/default-address.ts";
