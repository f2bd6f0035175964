import { invalidField, kernelParameters, lastValues } from "@flintlock/core";

/** COMMAND_LINE_SIZE on x86 is 2048 with the final NUL (kernel: admin-guide/kernel-parameters) */
const MAX_CMDLINE_BYTES = 2047;
const FIELD = "kernel.cmdline";

/**
 * The kernel's command line: the provider's defaults, then the VM's own keys in their order. A key of the VM
 * replaces the default of that name; an empty value is a bare key. The same input gives the same text.
 * @throws FlintlockError `invalid_spec` – a key or value the kernel could not read back, or too long a line
 */
export const kernelCmdline = (
  defaults: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): string => {
  const kept = Object.entries(defaults).filter(([key]) => !Object.hasOwn(own, key));
  return bounded([...kept, ...Object.entries(own)].map(([key, value]) => parameter(key, value)).join(" "));
};

/**
 * The caller's whole line, to the letter, behind those of `needed` that it does not give itself. Ours are first because
 * the kernel goes by the last, and because what follows a `--` is the init's.
 * @throws FlintlockError `invalid_spec` – too long a line
 */
export const completedCmdline = (needed: Readonly<Record<string, string>>, whole: string): string => {
  const given = lastValues(kernelParameters(whole));
  const missing = Object.entries(needed).filter(([key]) => !Object.hasOwn(given, key));
  return bounded([...missing.map(([key, value]) => parameter(key, value)), whole].join(" "));
};

const bounded = (line: string): string => {
  const length = Buffer.byteLength(line);
  if (length <= MAX_CMDLINE_BYTES) return line;
  throw invalidField(FIELD, `is ${length} bytes with the defaults; the kernel reads ${MAX_CMDLINE_BYTES}`);
};

const parameter = (key: string, value: string): string => {
  if (key === "" || !isPrintable(key) || /[\s"=]/.test(key)) {
    throw invalidField(
      FIELD,
      `the key ${JSON.stringify(key)} is empty or holds a space, quote, = or control character`,
    );
  }
  if (!isPrintable(value) || value.includes('"')) {
    throw invalidField(
      FIELD,
      `the value of ${key} holds a quote or control character, which the kernel cannot read`,
    );
  }
  if (value === "") return key;
  return value.includes(" ") ? `${key}="${value}"` : `${key}=${value}`;
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const isPrintable = (text: string): boolean => !/[\u0000-\u001f\u007f]/.test(text);
