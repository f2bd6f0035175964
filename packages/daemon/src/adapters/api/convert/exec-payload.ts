import type { ExecOutput } from "@flintlock/core";

export type ExecPayload =
  | { readonly case: "stdout" | "stderr"; readonly value: Uint8Array }
  | { readonly case: "exitCode"; readonly value: number }
  | { readonly case: "error"; readonly value: string };

/** As the `payload` of upstream's exec response and of ours: they are alike. */
export const execPayload = (output: ExecOutput): ExecPayload => {
  switch (output.kind) {
    case "exit":
      return { case: "exitCode", value: output.code };
    case "error":
      return { case: "error", value: output.message };
    case "stdout":
    case "stderr":
      return { case: output.kind, value: output.bytes };
  }
};
