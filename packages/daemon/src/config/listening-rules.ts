/**
 * Where the daemon listens, and that nothing listens on TCP in the clear unless somebody said so.
 * COMPAT: upstream's words for what is wrong with the TLS options.
 */
import type { FlintlockError } from "@flintlock/core";
import type { Config, Notice, TlsConfig } from "./config.ts";
import type { ConfigHost } from "./config-host.ts";
import { isLoopback, optionalEndpoint } from "./endpoint.ts";
import { settingError } from "./option-value.ts";
import type { OptionName } from "./options.ts";
import type { Settings } from "./settings.ts";

type Listening = Pick<
  Config,
  "grpcEndpoint" | "httpEndpoint" | "legacyGrpcEndpoint" | "legacyHttpEndpoint" | "tls" | "isInsecure"
> & { readonly notices: readonly Notice[] };

/** @throws FlintlockError `invalid_spec` – names the option */
export const listeningRules = (settings: Settings, host: Pick<ConfigHost, "isFile">): Listening => {
  const isInsecure = settings.get("insecure");
  const tls = isInsecure ? withoutTls(settings) : tlsOf(settings, host);
  const notices: Notice[] = [];
  const endpoints = {
    grpcEndpoint: optionalEndpoint(settings, "grpc-endpoint"),
    httpEndpoint: wantsHttp(settings) ? optionalEndpoint(settings, "http-endpoint") : undefined,
    legacyGrpcEndpoint: optionalEndpoint(settings, "legacy-grpc-endpoint"),
    legacyHttpEndpoint: optionalEndpoint(settings, "legacy-http-endpoint"),
  };
  if (tls === undefined && !isInsecure) {
    const wanted = WANTED.find(
      ([option, endpoint]) => endpoints[endpoint] !== undefined && settings.isSet(option),
    );
    if (wanted !== undefined)
      throw needsTls(wanted[0], "certificate file path is required when running securely");
    if (endpoints.grpcEndpoint !== undefined) notices.push(GRPC_IS_OFF);
    return { ...endpoints, grpcEndpoint: undefined, tls, isInsecure, notices };
  }
  if (isInsecure) notices.push(...insecureNotices(Object.values(endpoints)));
  if (tls?.clientCaPath !== undefined && !tls.isClientRequired) notices.push(CLIENTS_MAY_COME_WITHOUT);
  return { ...endpoints, tls, isInsecure, notices };
};

/** What an operator asks for by name must not stay off in silence. */
const WANTED = [
  ["grpc-endpoint", "grpcEndpoint"],
  ["http-endpoint", "httpEndpoint"],
  ["enable-http", "httpEndpoint"],
  ["legacy-grpc-endpoint", "legacyGrpcEndpoint"],
  ["legacy-http-endpoint", "legacyHttpEndpoint"],
] as const satisfies readonly (readonly [OptionName, keyof Listening])[];

const wantsHttp = (settings: Settings): boolean =>
  settings.isSet("enable-http") ? settings.get("enable-http") : settings.isSet("http-endpoint");

const withoutTls = (settings: Settings): undefined => {
  const given = TLS_OPTIONS.find((name) => (settings.get(name) ?? "") !== "");
  if (given === undefined && !settings.get("tls-client-validate")) return undefined;
  throw settingError(
    `--${given ?? "tls-client-validate"}`,
    "cannot specify tls certificate details when running insecurely",
    "leave out --insecure, or the tls options",
  );
};

const TLS_OPTIONS = ["tls-cert", "tls-key", "tls-client-ca"] as const satisfies readonly OptionName[];

const tlsOf = (settings: Settings, { isFile }: Pick<ConfigHost, "isFile">): TlsConfig | undefined => {
  const certPath = settings.get("tls-cert") || undefined;
  const keyPath = settings.get("tls-key") || undefined;
  const clientCaPath = settings.get("tls-client-ca") || undefined;
  const isClientRequired = settings.get("tls-client-validate");
  if (certPath === undefined) {
    if (keyPath === undefined && clientCaPath === undefined && !isClientRequired) return undefined;
    throw needsTls("tls-cert", "certificate file path is required when running securely");
  }
  if (keyPath === undefined)
    throw needsTls("tls-key", "certificate key file path is required when running securely");
  if (isClientRequired && clientCaPath === undefined) {
    throw settingError(
      "--tls-client-ca",
      "client certificate key file path is required when running mTLS",
      "name the file with the authorities that sign your clients' certificates",
    );
  }
  if (!isFile(certPath)) throw settingError("--tls-cert", `certificate file ${certPath} does not exist`);
  if (!isFile(keyPath)) throw settingError("--tls-key", `key file ${keyPath} does not exist`);
  if (clientCaPath !== undefined && !isFile(clientCaPath))
    throw settingError("--tls-client-ca", `client CA file ${clientCaPath} does not exist`);
  return { certPath, keyPath, clientCaPath, isClientRequired };
};

const needsTls = (option: OptionName, problem: string): FlintlockError =>
  settingError(`--${option}`, problem, "give --tls-cert and --tls-key, or --insecure for TCP without TLS");

const GRPC_IS_OFF: Notice = {
  level: "info",
  option: "grpc-endpoint",
  text: "gRPC on TCP is off: it needs --tls-cert and --tls-key, or --insecure",
};

const CLIENTS_MAY_COME_WITHOUT: Notice = {
  level: "warn",
  option: "tls-client-ca",
  text: "clients may come without a certificate: --tls-client-validate demands one",
};

const insecureNotices = (endpoints: readonly (string | undefined)[]): readonly Notice[] => {
  const open = endpoints.filter((endpoint) => endpoint !== undefined);
  const remote = open.filter((endpoint) => !isLoopback(endpoint));
  return [
    {
      level: "warn",
      option: "insecure",
      text: "TLS is DISABLED: what is sent over TCP can be read and changed",
    },
    ...remote.map(
      (endpoint): Notice => ({
        level: "warn",
        option: "insecure",
        text: `${endpoint} can be reached from other machines, without TLS`,
      }),
    ),
  ];
};
