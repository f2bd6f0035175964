/** The options of Firecracker and its jailer. */
import { join } from "node:path";
import type { FirecrackerConfig, JailConfig } from "./config.ts";
import { settingError } from "./option-value.ts";
import { absolutePath } from "./paths.ts";
import type { Settings } from "./settings.ts";

/** 2^32 - 1 stands for "no id" (chown(2)), and what is below 1000 is the system's */
const MAX_ID = 2 ** 32 - 2;
const MIN_ID = 1000;

/** @throws FlintlockError `invalid_spec` – names the option */
export const firecrackerConfig = (settings: Settings, stateDir: string): FirecrackerConfig => ({
  binary: settings.get("firecracker-bin") || "firecracker",
  pci: settings.get("firecracker-pci"),
  metadataVersion: settings.get("firecracker-mmds-version") === "v2" ? "V2" : "V1",
  metadataLimitBytes: settings.get("firecracker-mmds-size-limit"),
  jail: jailConfig(settings, stateDir),
});

const jailConfig = (settings: Settings, stateDir: string): JailConfig | undefined => {
  const binary = settings.get("firecracker-jailer");
  if (binary === undefined || binary === "") return undefined;
  const directory = settings.get("firecracker-jail-dir");
  const namespace = settings.get("firecracker-jail-netns");
  return {
    binary,
    baseDir: directory ? absolutePath(directory, "firecracker-jail-dir") : join(stateDir, "jails"),
    userIds: userIds(settings.get("firecracker-jail-uids")),
    cgroupVersion: settings.get("firecracker-jail-cgroup"),
    networkNamespace: namespace ? absolutePath(namespace, "firecracker-jail-netns") : undefined,
  };
};

const userIds = (text: string): JailConfig["userIds"] => {
  const match = /^(\d{1,10})-(\d{1,10})$/.exec(text.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && first >= MIN_ID && last >= first && last <= MAX_ID) {
    return { first, count: last - first + 1 };
  }
  throw settingError(
    "--firecracker-jail-uids",
    `${JSON.stringify(text)} is not a range of ids between ${MIN_ID} and ${MAX_ID}`,
    "for example 300000-309999",
  );
};
