/** Differences of the legacy endpoints from v0.1.0-alpha.2, which answered INVALID_ARGUMENT to what broke a rule. */
import { ABSENT, type Justified } from "./justified.ts";

const words = (name: string, ours: string | RegExp): Justified => ({
  cases: [name],
  path: "message",
  ours,
  why: "The same code, and what would be right instead of the validator's words.",
});

const exact = (names: readonly string[], code: string, path = "code"): Justified => ({
  cases: names,
  path,
  ours: code,
  why: "An exact code instead of UNKNOWN. No client looks at it.",
});

const accepted = (name: string, why: string): Justified => ({
  cases: [name],
  path: "outcome",
  ours: "OK",
  why,
});

const WITHOUT_PREFIX = "Upstream's words without what it was doing.";

export const LEGACY: readonly Justified[] = [
  exact(["grpc create: the same name again"], "ALREADY_EXISTS"),
  exact(["grpc get: nothing", "grpc get: no namespace"], "INVALID_ARGUMENT"),
  exact(["grpc stream: no namespace", "grpc delete: nothing"], "INVALID_ARGUMENT"),
  exact(["grpc get: an unknown id", "grpc delete: an unknown id"], "NOT_FOUND"),
  { cases: ["http get: an unknown id"], path: "status", ours: 404, why: "As over gRPC." },
  { cases: ["http get: an unknown id"], path: "body.code", ours: 5, why: "As over gRPC." },
  {
    cases: ["grpc create: the same name again"],
    path: "message",
    ours: "microvm old/minimal already exists",
    why: WITHOUT_PREFIX,
  },
  {
    cases: [
      "grpc get: nothing",
      "grpc get: no namespace",
      "grpc stream: no namespace",
      "grpc delete: nothing",
    ],
    path: "message",
    ours: /^(microvm id|namespace) is required$/,
    why: WITHOUT_PREFIX,
  },
  {
    cases: ["* an unknown id"],
    path: "*message",
    ours: "microvm spec old/nobody not found",
    why: WITHOUT_PREFIX,
  },
  words("grpc create: no volume", /^volumes: one must be the root/),
  words("grpc create: no root volume", /^volumes: one must be the root/),
  words("grpc create: two root volumes", /^volumes\[1\]\.is_root: /),
  words("grpc create: device name in capitals", /^interfaces\[0\]\.guest_device_name: /),
  words("grpc create: an address without prefix", /^interfaces\[0\]\.address: /),
  accepted("grpc create: no namespace", "The contract's comments promise the defaults that came later."),
  accepted("grpc create: no id", "The contract's comment says that an empty id is generated."),
  accepted("grpc create: no vcpu", "The default that came later: 2."),
  accepted("grpc create: no memory", "The default that came later: 1024 MiB."),
  accepted(
    "grpc create: an initrd and no volume",
    "Upstream has a rule that allows it, and another that does not.",
  ),
  accepted("grpc create: no interface", "A guest without a TAP gets the user-mode network."),
  { path: "body*createdAt", ours: "<time>", why: "Set and returned. Upstream leaves it unset." },
  { path: "body*updatedAt", ours: "<time>", why: "Set and returned. Upstream leaves it unset." },
  { path: "body*labels.team", ours: "a", why: "Kept and echoed. Upstream drops labels silently." },
  { path: "body*guestMac", ours: "aa:ff:00:00:00:01", why: "One spelling." },
  {
    cases: ["* list*", "grpc stream"],
    path: "body*[*]",
    ours: ABSENT,
    why: "The namespace that is asked for. Upstream lists all of them whatever is asked.",
  },
];
