/** The requests as the file that says the same: COMPAT, upstream starts Firecracker from it. */
import type { VmmRequest } from "../shared/vmm-api.ts";
import { VMM_LOG_FILE } from "./files.ts";

/** As `--level`, `--show-level` and `--show-log-origin` have it: its first words are there too. */
export const LOGGER = {
  log_path: VMM_LOG_FILE,
  level: "Info",
  show_level: true,
  show_log_origin: true,
} as const;

/** Text of `firecracker.cfg`; its contents as `--config-file` takes them. */
export const configFile = (requests: readonly VmmRequest[]): string => {
  const config: Record<string, unknown> = { drives: [], "network-interfaces": [], logger: LOGGER };
  for (const { path, body } of requests) {
    const [, resource = "", id] = path.split("/");
    const list = config[resource];
    if (Array.isArray(list)) list.push(body);
    else if (path === "/mmds/config") config["mmds-config"] = body;
    else if (id === undefined && resource !== "mmds") config[resource] = body;
  }
  return `${JSON.stringify(config, undefined, 1)}\n`;
};

/** Text of `metadata.json`, if any. */
export const metadataFile = (requests: readonly VmmRequest[]): string | undefined => {
  const content = requests.find(({ path }) => path === "/mmds")?.body;
  return content === undefined ? undefined : `${JSON.stringify(content, undefined, 1)}\n`;
};
