/**
 * The Prometheus text format 0.0.4, for numbers that are asked for at each scrape and belong to no registry.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * INVARIANT: all samples of a name stand together under one HELP and one TYPE, in the order given.
 */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  /** Matches `METRIC_NAME` */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "untyped";
  readonly samples: readonly Sample[];
}

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

export const renderFamilies = (families: readonly Family[]): string =>
  families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, type, samples }) =>
      [
        `# HELP ${name} ${escapeHelp(help)}`,
        `# TYPE ${name} ${type}`,
        ...samples.map(({ labels, value }) => `${name}${renderLabels(labels)} ${renderValue(value)}`),
        "",
      ].join("\n"),
    )
    .join("");

/** Text of others as a part of a metric's name: what a name cannot hold becomes "_". */
export const namePart = (text: string): string => text.replaceAll(/[^a-zA-Z0-9_:]/g, "_");

const renderLabels = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
};

const escapeLabel = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

const renderValue = (value: number): string => {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
};
