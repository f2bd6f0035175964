import { invalidField } from "@flintlock/core";

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
  const line = [...kept, ...Object.entries(own)].map(([key, value]) => parameter(key, value)).join(" ");
  const length = Buffer.byteLength(line);
  if (length > MAX_CMDLINE_BYTES) {
    throw invalidField(FIELD, `is ${length} bytes with the defaults; the kernel reads ${MAX_CMDLINE_BYTES}`);
  }
  return line;
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
