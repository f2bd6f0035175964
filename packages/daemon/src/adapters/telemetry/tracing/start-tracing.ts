/** The way to a collector, checked before the libraries that speak to it are loaded. */
import { FlintlockError, type Log } from "@flintlock/core";
import type { Tracing } from "./tracing.ts";

export interface TracingOptions {
  /** Base URL of an OTLP collector that speaks HTTP, such as `http://localhost:4318` */
  readonly endpoint: string;
  readonly version: string;
  readonly log: Log;
}

/** @throws FlintlockError `invalid_spec` – the endpoint is no http URL */
export const startTracing = async ({ endpoint, version, log }: TracingOptions): Promise<Tracing> => {
  const url = tracesUrl(endpoint);
  const { openTracing } = await import("./otlp.ts");
  return openTracing({ url, version, log });
};

/** OTLP's rule: signals have paths of their own below the base. */
export const tracesUrl = (endpoint: string): string => {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new FlintlockError("invalid_spec", "otlp-endpoint: must be a URL such as http://localhost:4318", {
      detail: { field: "otlp-endpoint" },
    });
  }
  if (!url.pathname.endsWith("/v1/traces")) url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`;
  return url.href;
};
