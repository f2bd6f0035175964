/** Differences of a daemon that wants a token. */
import type { Justified } from "./justified.ts";

export const TOKEN: readonly Justified[] = [
  {
    cases: ["grpc token: another scheme", "http token: another scheme"],
    path: "outcome",
    ours: /^(OK|200)$/,
    why: "A bearer token too: brigade sends one.",
  },
  {
    cases: ["grpc token: an empty token"],
    path: "message",
    ours: /^could not extract token from request header: /,
    why: "The same code. Node takes the blank from the end of a header, so that there are not two words.",
  },
];
