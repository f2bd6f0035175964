/** From all sources to one frozen `Config`, or to one error that says what to change. */
import { FlintlockError, PROVIDER_NAMES, type ProviderWish, parseHostInterface } from "@flintlock/core";
import type { CommandLine } from "./command-line.ts";
import type { Config, Notice } from "./config.ts";
import { configFilePaths, readConfigFile } from "./config-file.ts";
import type { ConfigHost } from "./config-host.ts";
import { isLoopback, optionalEndpoint } from "./endpoint.ts";
import { readEnvironment } from "./environment.ts";
import { firecrackerConfig } from "./firecracker-config.ts";
import { listeningRules } from "./listening-rules.ts";
import { logLevel, logOutput } from "./logging.ts";
import { settingError } from "./option-value.ts";
import { OPTION_NAMES, OPTIONS, optionOf } from "./options.ts";
import { absolutePath, defaultSocketPath, defaultStateDir, dockerConfigPath, optionalPath } from "./paths.ts";
import { basicAuthToken, secretNotices } from "./secrets.ts";
import { mergeSettings, type Settings } from "./settings.ts";

export interface LoadedConfig {
  readonly config: Config;
  readonly settings: Settings;
}

const MIB = 1024 ** 2;
/** COMPAT: upstream's limit. */
const MAX_MEMORY_MIB = 32_768;

/** @throws FlintlockError `invalid_spec` – names the flag, variable, or file and key */
export const loadConfig = (flags: CommandLine["settings"], host: ConfigHost): LoadedConfig => {
  const env = readEnvironment(host.env);
  const path = flags.get("config") ?? env.settings.get("config");
  const asked = typeof path === "string" ? absolutePath(path, "config") : undefined;
  const file = readConfigFile(asked, configFilePaths(host.env, host.home), host.readFile);
  const settings = mergeSettings({ flag: flags, env: env.settings, file: file?.settings ?? new Map() });
  const { notices, ...listening } = listeningRules(settings, host);
  const text = (name: "auth-file" | "audit-log"): string | undefined => optionalPath(settings.get(name));
  const stateDir = absolutePath(settings.get("state-dir") ?? defaultStateDir(host), "state-dir");
  const config: Config = {
    socketPath: absolutePath(settings.get("socket") ?? defaultSocketPath(host), "socket"),
    ...listening,
    authFile: text("auth-file"),
    basicAuthToken: basicAuthToken(settings, host.readFile),
    auditLog: text("audit-log"),
    hasExecApi: settings.get("enable-exec-api"),
    hasSshProxyApi: settings.get("enable-ssh-proxy-api"),
    hasApi: !settings.get("disable-api"),
    hasReconciler: !settings.get("disable-reconcile"),
    stateDir,
    guestImagesDir: absolutePath(settings.get("guest-images") ?? host.guestImagesDir, "guest-images"),
    defaultProvider: defaultProvider(settings),
    qemuBinary: settings.get("qemu-bin") || "qemu-system-x86_64",
    accelerator: settings.get("accelerator"),
    firecracker: firecrackerConfig(settings, stateDir),
    cloudHypervisorBinaries: orElse(settings, "cloudhypervisor-bin", "cloud-hypervisor"),
    virtiofsBinaries: orElse(settings, "virtiofs-bin", "/usr/lib/qemu/virtiofsd"),
    virtiofsRoots: settings.get("virtiofs-root").map((path) => absolutePath(path, "virtiofs-root")),
    bridgeName: hostInterface(settings, "bridge-name"),
    parentInterface: hostInterface(settings, "parent-iface"),
    allowedBridges: settings.get("allow-bridge").map((name) => parseHostInterface(name, "--allow-bridge")),
    insecureRegistries: settings.get("insecure-registry"),
    dockerConfigPath: dockerConfigPath(host),
    hasUniqueNames: settings.get("unique-names"),
    maxParallelBoots: settings.get("max-parallel-boots") ?? Math.max(2, host.cpus),
    maxRetry: settings.get("maximum-retry"),
    deleteGraceMs: settings.get("deleteMicroVM-timeout"),
    resyncMs: settings.get("resync-period"),
    keptEvents: settings.get("kept-events"),
    maxMemoryMib: Math.max(MAX_MEMORY_MIB, Math.floor(host.memoryBytes / MIB)),
    logLevel: logLevel(settings),
    logFormat: settings.get("log-format"),
    logOutput: logOutput(settings),
    debugEndpoint: debugEndpoint(settings),
    otlpEndpoint: otlpEndpoint(settings),
    configFile: file?.path,
    notices: [
      ...notices,
      ...secretNotices(settings, file),
      ...noEffectNotices(settings),
      ...env.unknown.map((option): Notice => ({ level: "warn", option, text: "sets no option" })),
    ],
  };
  return { config: Object.freeze(config), settings };
};

/** A default name of upstream's is not the only one that the program goes by. */
const orElse = (
  settings: Settings,
  name: "cloudhypervisor-bin" | "virtiofs-bin",
  other: string,
): readonly string[] => {
  const path = settings.get(name);
  if (path === "") return [OPTIONS[name].default, other];
  return settings.isSet(name) ? [path] : [path, other];
};

const hostInterface = (settings: Settings, name: "bridge-name" | "parent-iface"): string | undefined => {
  const text = settings.get(name);
  return text === undefined || text === "" ? undefined : parseHostInterface(text, `--${name}`);
};

/** COMPAT: upstream takes any name and fails later; here it is at least one that somebody could have. */
const defaultProvider = (settings: Settings): ProviderWish => {
  const name = settings.get("default-provider");
  const names = ["auto", ...PROVIDER_NAMES] as const;
  const found = names.find((known) => known === name);
  if (found !== undefined) return found;
  throw settingError(
    "--default-provider",
    `${JSON.stringify(name)} is not one of ${names.join(", ")}`,
    "--default-provider auto, or leave it out",
  );
};

const debugEndpoint = (settings: Settings): string | undefined => {
  const endpoint = optionalEndpoint(settings, "debug-endpoint");
  if (endpoint === undefined || isLoopback(endpoint)) return endpoint;
  throw settingError(
    "--debug-endpoint",
    `${endpoint} can be reached from other machines, and nobody is asked who they are`,
    "for example localhost:10500",
  );
};

const otlpEndpoint = (settings: Settings): string | undefined => {
  const text = settings.get("otlp-endpoint");
  if (text === undefined || text === "") return undefined;
  const isUrl = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
  if (isUrl) return text;
  throw new FlintlockError(
    "invalid_spec",
    `--otlp-endpoint: ${JSON.stringify(text)} is not an http or https URL`,
    {
      detail: { field: "--otlp-endpoint" },
      hint: "for example http://localhost:4318",
    },
  );
};

/** Never silently: what is set and changes nothing is said. */
const noEffectNotices = (settings: Settings): readonly Notice[] =>
  OPTION_NAMES.flatMap((option): readonly Notice[] => {
    const { noEffect } = optionOf(option);
    if (noEffect === undefined || !settings.isSet(option)) return [];
    return [{ level: "warn", option, text: `has no effect: ${noEffect}` }];
  });
