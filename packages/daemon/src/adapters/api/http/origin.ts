import type { IncomingHttpHeaders } from "node:http";

/**
 * Whether a request may come from where it says. Browsers send `Origin` with every cross-site request that could
 * change something; no other client does. Without this any web page could post a microVM to a local port.
 */
export const isOwnOrigin = ({ origin, host }: IncomingHttpHeaders): boolean => {
  if (origin === undefined) return true;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
};
