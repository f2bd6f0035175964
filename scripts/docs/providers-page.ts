/** docs/providers.md: what each provider can do, from what it says of itself. */
import {
  type Adjustable,
  type Capability,
  type ProviderTraits,
  silentLog,
} from "../../packages/core/src/index.ts";
import { createCloudHypervisorProvider } from "../../packages/daemon/src/adapters/providers/cloudhypervisor/provider.ts";
import { createFirecrackerProvider } from "../../packages/daemon/src/adapters/providers/firecracker/provider.ts";
import { createQemuProvider } from "../../packages/daemon/src/adapters/providers/qemu/provider.ts";
import type { Virtiofs } from "../../packages/daemon/src/adapters/providers/shared/virtiofsd.ts";
import { code, table } from "./markdown.ts";

const NOWHERE = { agentSocketsDir: "/nowhere", log: silentLog, bootDeadlineMs: 1 };

/** SAFETY: nothing else of it is asked here. */
const SHARING = { isAvailable: true } as Virtiofs;

/** Making one asks nothing of the host. Those first that "auto" prefers, as in assemble.ts. */
const PROVIDERS: readonly ProviderTraits[] = [
  createFirecrackerProvider({ ...NOWHERE, binary: "", kernelsDir: "/nowhere" }),
  createCloudHypervisorProvider({ ...NOWHERE, binaries: [], virtiofs: SHARING }),
  createQemuProvider({
    ...NOWHERE,
    binary: "",
    accelerator: "tcg",
    stateFile: "/nowhere",
    virtiofs: SHARING,
  }),
].map(({ traits }) => traits);

/** In words of who asks for a microVM; what only matters inside the daemon is left out. */
const WORDS: Partial<Record<Capability, string>> = {
  "user-network": "a network that needs no privilege, published ports",
  macvtap: "MACVTAP interfaces",
  virtiofs: "virtiofs volumes",
  "metadata-service": "a metadata service at 169.254.169.254",
  "cpu-features": "processor features by name",
  "kvm-capabilities": "KVM capabilities by number",
  "disk-limits": "limits of disks",
  "rate-limits": "limits of interfaces",
  balloon: "a memory balloon",
};

const LIVE: Record<Adjustable, string> = {
  ports: "published ports",
  limits: "limits",
  balloonMib: "the balloon",
  diskMib: "sizes of disks",
  vcpu: "processors",
  memoryMib: "memory",
};

export const providersPage = (): string => `# Providers

A provider drives one kind of VMM. One daemon has all of them, and each microVM has one.

${table(
  ["A microVM that asks for", ...PROVIDERS.map(({ name }) => code(name))],
  [
    ...Object.entries(WORDS).map(([capability, words]) => [
      words,
      ...PROVIDERS.map(({ capabilities }) => (has(capabilities, capability) ? "yes" : "")),
    ]),
    ...Object.entries(LIVE).map(([setting, words]) => [
      `[changed](changing.md) while it runs: ${words}`,
      ...PROVIDERS.map(({ adjusts }) => ([...adjusts].some((each) => each === setting) ? "yes" : "")),
    ]),
    ["processors, at most", ...PROVIDERS.map(({ maxVcpu }) => String(maxVcpu))],
    ["disks on the host", ...PROVIDERS.map(({ diskFormats }) => diskFormats.join(", "))],
  ],
)}

This table is made by \`npm run docs\` from what the providers say of themselves; a request is checked against the same.
virtiofs needs a daemon that is root, virtiofsd, and \`--virtiofs-root\` ([cloud-hypervisor.md](cloud-hypervisor.md)).

## Which one a microVM gets

- **By name**: \`provider\` of the spec, or \`flintlock run --provider NAME\`. What it cannot do is refused at the request, and the refusal says
  which provider can.
- **\`auto\`**: the first of the table, from the left, that works on this host and can do all that is asked. It is the default of
  \`--default-provider\`, which counts for requests that name none. Where no provider fits, one error says of each why not.
- A microVM without interfaces gets a provider with a network of its own, if one works here. With another the guest has no network at all; its
  agent is reached all the same, so \`attach\` and \`exec\` work.
- A TAP or MACVTAP interface without \`--bridge-name\` or \`--parent-iface\` is served by the user-mode network, and so by a provider that has one.

The choice is made once, when the microVM is created. The record has the name, and \`provider_reason\` says why
(\`flintlock inspect\`): what was passed over, and for what. Why it is so: [adr/0013](adr/0013-the-provider-is-chosen-at-the-request.md).

## What works on this host

\`flintlock doctor\` tells of each provider whether it works here, what is missing, and what to do; then it boots a microVM with every one that
does, without a network. It ends with an exit code other than 0 when the default provider cannot boot one. \`GET /v1/host\` has the same
answers without booting.

A provider whose program is missing is still known by name: a request for it is refused with the reason. A microVM whose provider stopped
working is left alone, running or not, until the provider works again; it can be stopped and deleted.
`;

const has = (capabilities: ReadonlySet<Capability>, capability: string): boolean =>
  [...capabilities].some((each) => each === capability) ||
  (capability === "disk-limits" && capabilities.has("rate-limits"));
