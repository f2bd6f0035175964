/** Rules for what boots: the kernel, its command line, the initrd. */
import type { CreateInput } from "./create-input.ts";
import { invalidField } from "./errors.ts";
import { kernelParameters, lastValues, parseWholeCmdline } from "./kernel-cmdline.ts";
import type { BootFile, Kernel } from "./microvm.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { parseReference } from "./reference.ts";
import { parseRelativePath, parseTextMap } from "./text-rules.ts";
import { parseAll } from "./violations.ts";

/** `bundled` stands in for the image that `flintlock.v1` may leave out. */
export const parseKernel = ({ kernel, extension }: CreateInput, bundled: string): Kernel => {
  const image = kernel?.image ?? "";
  const { line, ...parsed } = parseAll({
    image: () => {
      if (image.trim() !== "") return parseReference(image, "kernel.image");
      if (extension !== undefined) return parseReference(bundled, "kernel.image");
      throw invalidField("kernel.image", "is required: an image reference such as registry.example/kernel:1");
    },
    filename: () => parseFilename(kernel?.filename ?? "", "kernel.filename"),
    line: () => parseLine(kernel),
    addNetworkConfig: () => kernel?.addNetworkConfig ?? false,
  });
  return { ...parsed, ...line };
};

const parseLine = (kernel: CreateInput["kernel"]): Pick<Kernel, "cmdline" | "wholeCmdline"> => {
  if (!kernel?.wholeCmdline) return { cmdline: parseCmdline(kernel?.cmdline ?? {}) };
  const { maxTotal } = MICROVM_FIELDS["kernel.cmdline"];
  const whole = parseWholeCmdline(kernel.wholeCmdline, "kernel.cmdline", maxTotal);
  return { cmdline: lastValues(kernelParameters(whole)), wholeCmdline: whole };
};

/** What a kernel reads back as it was meant; x86 takes 2048 bytes with its defaults (COMMAND_LINE_SIZE). */
const parseCmdline = (cmdline: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
  const rule = MICROVM_FIELDS["kernel.cmdline"];
  const parsed = parseTextMap(cmdline, "kernel.cmdline", rule);
  // Quotes, '=' and the space between two
  const length = Object.entries(parsed).reduce((sum, [key, value]) => sum + key.length + value.length + 4, 0);
  if (length > rule.maxTotal) {
    throw invalidField(
      "kernel.cmdline",
      `is ${length} characters long; at most ${rule.maxTotal} are possible`,
    );
  }
  return parsed;
};

export const parseInitrd = ({ initrd }: CreateInput): BootFile | undefined =>
  initrd === undefined
    ? undefined
    : parseAll<BootFile>({
        image: () => parseReference(initrd.image, "initrd.image"),
        filename: () => parseFilename(initrd.filename, "initrd.filename"),
      });

const parseFilename = (text: string, field: "kernel.filename" | "initrd.filename"): string =>
  text === "" ? "" : parseRelativePath(text, field, MICROVM_FIELDS[field]);
