/** Differences that any answer may show: of the transports, and of what is told of a microVM. */
import { ABSENT, type Justified } from "./justified.ts";

export const TRANSPORT: readonly Justified[] = [
  {
    path: "message",
    cases: ["grpc *"],
    ours: "OK",
    why: "Ours sends the optional grpc-message with a success too. No client reads it.",
  },
  {
    path: "*.content-type",
    cases: ["grpc *"],
    ours: "application/grpc+proto",
    why: "Both are gRPC's content type for protobuf; clients accept any that begins with application/grpc.",
  },
  {
    path: "trailers.grpc-status-details-bin",
    cases: ["grpc *"],
    ours: "<bytes>",
    why: "google.rpc details: the field, the reason, a hint, when to try again. Clients ignore unknown trailers.",
  },
  {
    path: "body*details[*]",
    cases: ["http *"],
    ours: /"@type":"type\.googleapis\.com\/google\.rpc\./,
    why: "The same details over HTTP, in the list that upstream leaves empty.",
  },
  {
    path: "headers.grpc-metadata-content-type",
    cases: ["http *"],
    ours: "application/grpc",
    why: "Ours says so with a refusal too; upstream only with a success.",
  },
];

export const MICROVM: readonly Justified[] = [
  {
    path: "body*spec.provider",
    ours: "simulated",
    why: "Echoed: what the microVM runs on. Upstream takes it and never returns it.",
  },
  {
    path: "body*spec.createdAt",
    ours: "<time>",
    why: "Set by the daemon and returned. Upstream has the fields and leaves them unset.",
  },
  {
    path: "body*spec.updatedAt",
    ours: "<time>",
    why: "Set by the daemon and returned. Upstream has the fields and leaves them unset.",
  },
  { path: "body*spec.labels.*", ours: /^(a|b|web)$/, why: "Kept and echoed. Upstream drops them silently." },
  {
    path: "body*.mountPoint",
    ours: /^(\/|\/mnt\/data)$/,
    why: "Echoed. Upstream keeps it and does not return it.",
  },
  {
    path: "body*interfaces[eth2].overrides",
    ours: { bridgeName: "br1" },
    why: "Echoed. Upstream keeps it and does not return it.",
  },
  {
    path: "body*interfaces[eth2].guestMac",
    ours: "0e:00:00:00:00:02",
    why: "One spelling: small letters and colons. Upstream echoes any that Go can parse.",
  },
  {
    path: "body*interfaces[eth0]",
    ours: ABSENT,
    why: "Upstream's Firecracker provider adds an interface for its metadata service. QEMU has no such service.",
  },
  {
    path: "body*spec.metadata.user-data",
    cases: ["grpc create: user-data that is not base64"],
    ours: "JQ==",
    why: "Text that is not base64 is taken, as upstream's Firecracker provider does, and kept as base64.",
  },
  {
    path: "body*spec.metadata.meta-data",
    ours: /^instance-id: <uid>\n$/m,
    why: "Upstream adds instance_id to meta-data. Ours adds instance-id too, which is what cloud-init's NoCloud reads.",
  },
];
