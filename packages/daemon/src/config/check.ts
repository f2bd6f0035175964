/** `flintlockd config check`: what is in effect, who said so, and what to know about it. */
import type { Config } from "./config.ts";
import { formatGoDuration } from "./go-duration.ts";
import { defaultOf } from "./help.ts";
import type { LoadedConfig } from "./load-config.ts";
import type { OptionValue } from "./option.ts";
import { OPTION_NAMES, type OptionName, optionOf } from "./options.ts";
import type { Settings } from "./settings.ts";

export const checkText = ({ config, settings }: LoadedConfig): string => {
  const rows = OPTION_NAMES.map((name) => [
    name,
    valueText(name, settings, config),
    sourceText(name, settings, config),
  ]);
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [names, values] = [width(0), Math.min(width(1), 60)];
  const table = rows.map(([name = "", value = "", source = ""]) =>
    `${name.padEnd(names)}  ${value.padEnd(values)}  ${source}`.trimEnd(),
  );
  const notices = config.notices.map(
    ({ level, option, text }) => `${level === "warn" ? "warning" : "note"}: ${option}: ${text}`,
  );
  return [...table, ...(notices.length === 0 ? [] : ["", ...notices])].map((line) => `${line}\n`).join("");
};

const valueText = (name: OptionName, settings: Settings, config: Config): string => {
  const option = optionOf(name);
  const value: OptionValue | undefined = settings.get(name);
  if (option.isSecret === true) return settings.isSet(name) ? "(set)" : "";
  const effective = EFFECTIVE[name]?.(config);
  if (effective !== undefined) return effective;
  if (value === undefined) return settings.isSet(name) ? "" : defaultOf(option);
  if (option.kind === "duration") return formatGoDuration(Number(value));
  return Array.isArray(value) ? value.join(",") : String(value);
};

/** Those that depend on the host or on other options. */
const EFFECTIVE: Partial<Record<OptionName, (config: Config) => string>> = {
  socket: ({ socketPath }) => socketPath,
  "grpc-endpoint": ({ grpcEndpoint }) => grpcEndpoint ?? "(off)",
  "http-endpoint": ({ httpEndpoint }) => httpEndpoint ?? "(off)",
  "legacy-grpc-endpoint": ({ legacyGrpcEndpoint }) => legacyGrpcEndpoint ?? "(off)",
  "legacy-http-endpoint": ({ legacyHttpEndpoint }) => legacyHttpEndpoint ?? "(off)",
  "debug-endpoint": ({ debugEndpoint }) => debugEndpoint ?? "(off)",
  "enable-http": ({ httpEndpoint }) => String(httpEndpoint !== undefined),
  "state-dir": ({ stateDir }) => stateDir,
  "guest-images": ({ guestImagesDir }) => guestImagesDir,
  "max-parallel-boots": ({ maxParallelBoots }) => String(maxParallelBoots),
  "log-level": ({ logLevel }) => logLevel,
  config: ({ configFile }) => configFile ?? "(none)",
};

const sourceText = (name: OptionName, settings: Settings, { configFile }: Config): string => {
  const source = settings.source(name);
  return source === "file" ? `file ${configFile}` : source;
};
