/**
 * `parseSpec`: the one place where a create request becomes a spec that the rest may trust. The bounds are those of
 * `field-rules.ts`; every violation is told, not only the first.
 */
import { parseInitrd, parseKernel } from "./boot-rules.ts";
import type { CreateInput } from "./create-input.ts";
import { invalidField } from "./errors.ts";
import { parseInterfaces } from "./interface-rules.ts";
import { parseBalloon, parseLimits } from "./limit-rules.ts";
import { parseMetadata } from "./metadata-rules.ts";
import type { CpuConfig, MicroVMSpec, PortPublication, ProviderName, ProviderWish } from "./microvm.ts";
import { PROVIDER_NAMES } from "./microvm.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { parseWhole } from "./number-rules.ts";
import { parseMaxRestarts, parsePorts, parseProcess, parsePull, parseRestart } from "./process-rules.ts";
import { parseReadyWhen } from "./readiness.ts";
import { parseForm, parseTextMap, quoted } from "./text-rules.ts";
import { parseAll, parseEach } from "./violations.ts";
import { parseAdditionalVolumes, parseRootVolume } from "./volume-rules.ts";

export interface SpecLimits {
  readonly maxVcpu: number;
  readonly maxMemoryMib: number;
  /** Providers this daemon knows, those first that "auto" prefers; not all of them need work on this host */
  readonly providers: readonly ProviderName[];
  /** Of requests that name none */
  readonly defaultProvider: ProviderWish;
  /** Images used when `flintlock.v1` names none */
  readonly bundledKernel: string;
  readonly bundledRoot: string;
}

/** A spec whose provider is still to be chosen. */
export type ParsedSpec = Omit<MicroVMSpec, "provider"> & { readonly provider: ProviderWish };

/** @throws FlintlockError `invalid_spec` – with every violation; `detail.field` is the first */
export const parseSpec = (input: CreateInput, limits: SpecLimits): ParsedSpec => {
  const { extension } = input;
  const whole = (field: "vcpu" | "memory_in_mb", value: number, max: number): number => {
    const rule = MICROVM_FIELDS[field];
    const fallback = extension === undefined ? rule.default : rule.defaultV1;
    return parseWhole(value, field, { min: rule.min, max: Math.min(rule.max, max), default: fallback });
  };
  return parseAll<ParsedSpec>({
    provider: () => parseProvider(input.provider, limits),
    labels: () => parseLabels(input.labels),
    vcpu: () => whole("vcpu", input.vcpu, limits.maxVcpu),
    memoryMib: () => whole("memory_in_mb", input.memoryInMb, limits.maxMemoryMib),
    kernel: () => parseKernel(input, limits.bundledKernel),
    initrd: () => parseInitrd(input),
    rootVolume: () => parseRootVolume(input, limits.bundledRoot),
    additionalVolumes: () => parseAdditionalVolumes(input),
    interfaces: () => parseInterfaces(input.interfaces),
    metadata: () => parseMetadata(input.metadata),
    allowGuestAgent: () => input.allowGuestAgent,
    cpuConfig: () => parseCpuConfig(input.cpuConfig),
    limits: () => parseLimits(extension?.limits),
    balloonMib: () => parseBalloon(input),
    process: () => parseProcess(extension),
    ports: () => parsePublications(input),
    boot: () => (extension === undefined ? "init-first" : "process-first"),
    pull: () => parsePull(extension),
    restart: () => parseRestart(extension),
    maxRestarts: () => parseMaxRestarts(extension),
    readyWhen: () => parseReadyWhen(extension?.readyWhen),
  });
};

/** @throws FlintlockError `invalid_spec` – too many, or too long */
export const parseLabels = (labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  parseTextMap(labels, "labels", MICROVM_FIELDS.labels);

/** COMPAT: "isn't available" is upstream's. */
const parseProvider = (text: string, { providers, defaultProvider }: SpecLimits): ProviderWish => {
  if (text === "") return defaultProvider;
  if (text === "auto") return text;
  const known = PROVIDER_NAMES.find((name) => name === text);
  if (known !== undefined && providers.includes(known)) return known;
  throw invalidField(
    "provider",
    `microvm provider ${quoted(text)} isn't available; this host has ${providers.join(", ")}`,
  );
};

const parsePublications = ({ extension, interfaces }: CreateInput): readonly PortPublication[] => {
  const ports = parsePorts(extension?.ports ?? []);
  if (ports.length > 0 && interfaces.length > 0) {
    throw invalidField("ports", "published ports need the user-mode network: drop them, or the interfaces");
  }
  return ports;
};

const parseCpuConfig = (input: CreateInput["cpuConfig"]): CpuConfig | undefined => {
  if (input === undefined) return undefined;
  const names = (
    texts: readonly string[],
    field: "cpu_config.features_to_enable" | "cpu_config.kvm_capabilities_to_disable",
  ): readonly string[] => {
    const rule = MICROVM_FIELDS[field];
    if (texts.length > rule.maxItems) throw invalidField(field, `at most ${rule.maxItems} are possible`);
    return parseEach(texts, (text, index) => parseForm(text, `${field}[${index}]`, rule.item));
  };
  return parseAll<CpuConfig>({
    featuresToEnable: () => names(input.featuresToEnable, "cpu_config.features_to_enable"),
    kvmCapabilitiesToDisable: () =>
      names(input.kvmCapabilitiesToDisable, "cpu_config.kvm_capabilities_to_disable"),
  });
};
