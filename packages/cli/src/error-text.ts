/**
 * How a failure reads:
 *
 *     error[not_found]: microVM web not found
 *     why: …
 *     try: flintlock ls
 */
import type { Palette } from "./palette.ts";
import { printable } from "./printable.ts";

export interface ErrorText {
  readonly code: string;
  readonly message: string;
  readonly why?: string | undefined;
  readonly hint?: string | undefined;
}

/** Reads the parts off any error, ours, the daemon's or a stranger's. */
export const describeError = (error: unknown): ErrorText => {
  if (!(error instanceof Error)) return { code: "internal", message: String(error) };
  const code = textOf(error, "code");
  const field = textOf(error, "field");
  const message = error.message || error.name;
  return {
    code: code === undefined || /^[A-Z]/.test(code) ? "internal" : code,
    message,
    why:
      textOf(error, "why") ??
      (field !== undefined && !message.includes(field) ? `field ${field}` : undefined),
    hint: textOf(error, "hint"),
  };
};

export const renderErrorText = (error: ErrorText, palette: Palette): string => {
  const lines = [`${palette.red(palette.bold(`error[${error.code}]`))}: ${printable(error.message)}`];
  for (const line of error.why?.split("\n") ?? []) {
    lines.push(`${lines.length === 1 ? palette.bold("why:") : "    "} ${printable(line)}`);
  }
  if (error.hint) lines.push(`${palette.bold("try:")} ${printable(error.hint)}`);
  return `${lines.join("\n")}\n`;
};

const textOf = (error: Error, key: "code" | "field" | "hint" | "why"): string | undefined => {
  const value: unknown = Reflect.get(error, key);
  return typeof value === "string" && value !== "" ? value : undefined;
};
