/** Accepted by one and refused by the other, and values that ours reads otherwise. */
import type { Justified } from "./justified.ts";

const outcome = (cases: string | readonly string[], ours: string | RegExp, why: string): Justified => ({
  cases: typeof cases === "string" ? [cases] : cases,
  path: "outcome",
  ours,
  why,
});

/** What upstream refuses and ours takes: nothing that worked with upstream breaks by it. */
const ONLY_OURS_ACCEPTS: readonly Justified[] = [
  outcome(
    ["grpc create: no id", "http create: no id"],
    /^(OK|200)$/,
    "The contract's own comment says that an empty id is generated; upstream's converter refuses it.",
  ),
  outcome("grpc create: memory 512", "OK", "A small guest needs less than upstream's least of 1024 MiB."),
  outcome(
    "grpc create: kernel without filename",
    "OK",
    "Images that hold one kernel need no path: the usual places are looked at.",
  ),
  outcome("grpc create: no interface", "OK", "A guest without a TAP gets the user-mode network."),
  outcome(
    ["grpc create: interface without type", "http create: macvtap"],
    /^(OK|200)$/,
    "What a provider cannot do is refused, by both. The simulated provider can; QEMU can where there is a parent interface.",
  ),
  outcome(
    "grpc create: a gateway without prefix",
    "OK",
    "A gateway is an address. Upstream asks for a prefix and then drops it.",
  ),
  outcome("grpc create: gzip", "OK", "gRPC's own compression; upstream has it not linked in."),
];

/** What upstream accepts and ours refuses. */
const ONLY_UPSTREAM_ACCEPTS: readonly Justified[] = [
  outcome(
    "grpc create: no kernel",
    /^INVALID_ARGUMENT kernel\.image: /,
    "Upstream accepts it, and its controller then dies of a nil pointer at every start.",
  ),
  outcome(
    "grpc create: kernel filename out of the image",
    /^INVALID_ARGUMENT kernel\.filename: /,
    "It would read any file of the host.",
  ),
  outcome(
    "grpc create: root volume without source",
    /^INVALID_ARGUMENT root_volume\.source: /,
    "It cannot boot; upstream finds out after eleven attempts.",
  ),
  outcome(
    "grpc create: additional volume without *",
    /^INVALID_ARGUMENT additional_volumes\[0\]\./,
    "It cannot be made; upstream finds out after eleven attempts.",
  ),
  outcome(
    "grpc create: additional volume with root's id",
    /^INVALID_ARGUMENT additional_volumes\[0\]\.id: 'root' is used twice/,
    "Both would be one snapshot.",
  ),
  outcome(
    "grpc create: a device id twice",
    /^INVALID_ARGUMENT interfaces\[1\]\.device_id: 'eth1' is used twice/,
    "Both would be one entry of the status.",
  ),
  outcome(
    "grpc create: a negative size",
    /^INVALID_ARGUMENT root_volume\.size_in_mb: /,
    "There is no such disk.",
  ),
  outcome(
    "grpc create: metadata of any name",
    /^INVALID_ARGUMENT metadata: /,
    "Names become files and paths of a metadata service: letters, digits, '.', '_', '-'.",
  ),
  outcome(
    "grpc create: a spec of 3 MiB",
    /^INVALID_ARGUMENT metadata: is 3145737 characters long; at most 1048576 are possible/,
    "Metadata has at most 1 MiB; Firecracker's metadata service, where upstream puts it, takes 50 KiB.",
  ),
  outcome(
    "grpc create: provider firecracker",
    /^INVALID_ARGUMENT provider: microvm provider "firecracker" isn't available/,
    "Refused at once where the provider is not enabled, as upstream does.",
  ),
  outcome(
    "http create: more after the JSON",
    /^400 .*JSON/,
    "The body is one JSON value; upstream reads the first and leaves the rest.",
  ),
  outcome(
    "http list: another site",
    "403 requests from another web site are refused",
    "Else any web page could post a microVM to a local port.",
  ),
];

const OTHER_VALUES: readonly Justified[] = [
  {
    cases: ["grpc create: kernel filename from the root"],
    path: "body.microvm.spec.kernel.filename",
    ours: "boot/vmlinux",
    why: "Paths are inside the image; the leading slash says nothing.",
  },
  {
    cases: ["grpc create: kernel image of one word"],
    path: "body.microvm.spec.kernel.image",
    ours: "docker.io/library/alpine:latest",
    why: "Short names mean what they mean to Docker. Upstream accepts them and fails at the pull.",
  },
  {
    cases: ["grpc create: root volume without id"],
    path: "body.microvm.spec.rootVolume.id",
    ours: "root",
    why: "The id is the key of status.volumes.",
  },
  {
    cases: ["http get: a uid"],
    path: "body.microvm",
    ours: /^\{"spec":\{.*"id":"h-minimal"/,
    why: "Get and List share a path, and upstream's Get cannot be reached: a uid is a namespace without microVMs there.",
  },
  {
    cases: ["http list: a bad escape"],
    path: "headers.content-type",
    ours: "application/json",
    why: "Upstream's HTTP library answers before the gateway does.",
  },
  {
    cases: ["http list: a bad escape"],
    path: "body",
    ours: { code: 3, message: "Bad Request", details: [] },
    why: "The same status, and an error as everywhere else.",
  },
  {
    cases: ["http stream: an unknown namespace"],
    path: "headers.content-type",
    ours: "application/json",
    why: "An empty stream has the content type of any other.",
  },
];

export const OUTCOMES: readonly Justified[] = [
  ...ONLY_OURS_ACCEPTS,
  ...ONLY_UPSTREAM_ACCEPTS,
  ...OTHER_VALUES,
];
