/** Reads the text format as strictly as Prometheus does, and complains of what its linter would. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

interface Open {
  readonly name: string;
  readonly help: string;
  type: string;
  readonly samples: ParsedSample[];
}

/** @throws Error – names the line that is wrong */
export const parseExposition = (text: string): readonly ParsedFamily[] => {
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end");
  const families: Open[] = [];
  const seen = new Set<string>();
  let current: Open | undefined;
  for (const line of text.split("\n")) {
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/s.exec(line) ?? [];
    if (keyword === "HELP") {
      if (families.some((family) => family.name === name)) throw new Error(`second HELP: ${line}`);
      current = { name, help: rest, type: "", samples: [] };
      families.push(current);
    } else if (keyword === "TYPE") {
      if (current?.name !== name || current.type !== "") throw new Error(`TYPE out of place: ${line}`);
      if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) throw new Error(`no type: ${line}`);
      current.type = rest;
    } else if (line !== "") {
      const sample = parseSample(line);
      if (current === undefined || !belongs(sample.name, current)) throw new Error(`out of place: ${line}`);
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (seen.has(key)) throw new Error(`second sample: ${line}`);
      seen.add(key);
      current.samples.push(sample);
    }
  }
  return families;
};

const belongs = (name: string, family: Open): boolean => {
  const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  return suffixes.some((suffix) => name === family.name + suffix);
};

const parseSample = (line: string): ParsedSample => {
  const [, name, , inside = "", number = ""] =
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? ([^ ]+)$/s.exec(line) ?? [];
  // Case does not matter to Prometheus, and prom-client writes "Nan".
  const isNan = /^nan$/i.test(number);
  const value = number === "+Inf" ? Number.POSITIVE_INFINITY : Number(isNan ? Number.NaN : number);
  if (name === undefined || Number.isNaN(value) !== isNan) throw new Error(`no sample: ${line}`);
  return { name, labels: parseLabels(inside, line), value };
};

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

const parseLabels = (text: string, line: string): Readonly<Record<string, string>> => {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined) throw new Error(`no labels: ${line}`);
    if (name in labels) throw new Error(`second ${name}: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
  }
  return labels;
};

/** What `promtool check metrics` complains of, as far as it concerns names. */
export const lint = ({ name, type, help }: ParsedFamily): readonly string[] => {
  const problems: string[] = [];
  const say = (isWrong: boolean, what: string): void => {
    if (isWrong) problems.push(`${name}: ${what}`);
  };
  say(help === "", "no help text");
  say(type === "counter" && !name.endsWith("_total"), 'counters end with "_total"');
  say(type !== "counter" && name.endsWith("_total"), 'only counters end with "_total"');
  say(/_(milliseconds|ms|minutes|kibibytes|kb|mib|percent)(_|$)/.test(name), "not a base unit");
  say(/[A-Z]/.test(name), "names are snake_case");
  say(type !== "histogram" && /_(bucket|count|sum)$/.test(name), "a histogram's suffix");
  say(name.includes(type) && type !== "", "the type is not a part of the name");
  return problems;
};
