/** One option's value from text (flag, environment) or from YAML. */
import { FlintlockError } from "@flintlock/core";
import { formatGoDuration, parseGoDuration } from "./go-duration.ts";
import type { Option, OptionValue } from "./option.ts";
import { type OptionName, optionOf } from "./options.ts";

const MAX_TEXT = 4096;
const MAX_ELEMENTS = 256;

/** `where` is what the user wrote: `--grpc-endpoint`, `FLINTLOCKD_INSECURE`, `/etc/x.yaml: insecure`. */
export const settingError = (where: string, problem: string, hint?: string): FlintlockError =>
  new FlintlockError("invalid_spec", `${where}: ${problem}`, { detail: { field: where }, hint });

/** @throws FlintlockError `invalid_spec` – names `where` and says what would be right */
export const valueFromText = (name: OptionName, text: string, where: string): OptionValue => {
  const option = optionOf(name);
  if (text.length > MAX_TEXT || text.includes("\0")) {
    throw settingError(where, `must be at most ${MAX_TEXT} characters, without NUL`);
  }
  const value = parseText(option, text);
  if (value === undefined) throw settingError(where, `${shown(option, text)} is not ${expected(option)}`);
  return value;
};

/** @throws FlintlockError `invalid_spec` – as `valueFromText` */
export const valueFromYaml = (name: OptionName, value: unknown, where: string): OptionValue => {
  const option = optionOf(name);
  if (option.kind === "list" && Array.isArray(value)) {
    const texts = value.filter((each) => typeof each === "string");
    if (texts.length === value.length && texts.length <= MAX_ELEMENTS) return texts;
  }
  if (option.kind === "switch" && typeof value === "boolean") return value;
  const isNumeric = option.kind === "number" || option.kind === "duration";
  if (typeof value === "string" || (isNumeric && typeof value === "number")) {
    return valueFromText(name, String(value), where);
  }
  const quoted = typeof value === "number" || typeof value === "boolean" ? "; put it in quotes" : "";
  throw settingError(where, `must be ${expected(option)}${isNumeric ? "" : quoted}`);
};

const parseText = (option: Option, text: string): OptionValue | undefined => {
  switch (option.kind) {
    case "text":
      return text;
    case "choice":
      return option.values.find((value) => value === text);
    case "switch":
      return SWITCH[text.toLowerCase()];
    case "number":
      return within(/^\d{1,9}$/.test(text) ? Number(text) : undefined, option.min, option.max);
    case "duration":
      return within(parseGoDuration(text), option.minMs, option.maxMs);
    case "list": {
      const elements = text.split(",").flatMap((each) => (each.trim() === "" ? [] : [each.trim()]));
      return elements.length <= MAX_ELEMENTS ? elements : undefined;
    }
  }
};

const within = (value: number | undefined, min: number, max: number): number | undefined =>
  value === undefined || value < min || value > max ? undefined : value;

/** COMPAT: what Go's `strconv.ParseBool` takes. */
const SWITCH: Readonly<Record<string, boolean | undefined>> = {
  "1": true,
  t: true,
  true: true,
  "0": false,
  f: false,
  false: false,
};

const shown = (option: Option, text: string): string =>
  option.isSecret === true
    ? "the value"
    : JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}\u2026` : text);

const expected = (option: Option): string => {
  switch (option.kind) {
    case "text":
      return "text";
    case "choice":
      return `one of ${option.values.join(", ")}`;
    case "switch":
      return "true or false";
    case "number":
      return `a whole number from ${option.min} to ${option.max}`;
    case "duration":
      return `a duration such as 10m, 1h30m or 90 (seconds), from ${formatGoDuration(option.minMs)} to ${formatGoDuration(option.maxMs)}`;
    case "list":
      return `a list of at most ${MAX_ELEMENTS} texts`;
  }
};
