/** COMPAT: lines as upstream's logger writes them to a file: `time="…" level=info msg="…" key=value`. */

export type LogLine = Readonly<Record<string, unknown>> & {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
};

export const logfmt = ({ time, level, msg, ...fields }: LogLine): string => {
  const rest = Object.keys(fields)
    .sort()
    .map((key) => ` ${key.replaceAll(/[\s="]/g, "_")}=${value(fields[key])}`);
  return `time=${JSON.stringify(time)} level=${level} msg=${value(msg)}${rest.join("")}\n`;
};

/** Quotes everything but the characters that logrus leaves bare; line breaks never get through. */
const value = (content: unknown): string => {
  const text = typeof content === "string" ? content : (JSON.stringify(content) ?? "");
  return /^[A-Za-z0-9._/@^+-]*$/.test(text) ? text : JSON.stringify(text);
};
