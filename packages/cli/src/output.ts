/**
 * Data on stdout, in the format asked for. Every JSON object carries `apiVersion` and `kind`; a list is an
 * array, and in `ndjson` one object a line.
 */
import type { Palette } from "./palette.ts";
import { type Column, renderTable } from "./table.ts";

export const OUTPUT_FORMATS = ["table", "wide", "json", "ndjson", "yaml", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const API_VERSION = "flintlock/v1";

export type OutputObject = Readonly<Record<string, unknown>> & {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: string;
};

/** How one kind of thing is shown. */
export interface View<T> {
  readonly columns: readonly Column<T>[];
  /** Instead of `columns` when `wide` is asked for */
  readonly wideColumns?: readonly Column<T>[];
  readonly toObject: (item: T) => OutputObject;
  readonly nameOf: (item: T) => string;
}

export const object = (kind: string, fields: Readonly<Record<string, unknown>>): OutputObject => ({
  apiVersion: API_VERSION,
  kind,
  ...fields,
});

export const renderList = async <T>(
  view: View<T>,
  items: readonly T[],
  format: OutputFormat,
  palette: Palette,
): Promise<string> => {
  switch (format) {
    case "table":
      return renderTable(view.columns, items, palette.bold);
    case "wide":
      return renderTable(view.wideColumns ?? view.columns, items, palette.bold);
    case "name":
      return items.map((item) => `${view.nameOf(item)}\n`).join("");
    default:
      return renderData(items.map(view.toObject), format);
  }
};

/** `data` as JSON or YAML; an array in `ndjson` becomes one line each. */
export const renderData = async (
  data: OutputObject | readonly OutputObject[],
  format: "json" | "ndjson" | "yaml",
): Promise<string> => {
  switch (format) {
    case "json":
      return `${JSON.stringify(data, undefined, 2)}\n`;
    case "ndjson":
      return (Array.isArray(data) ? data : [data]).map((item) => `${JSON.stringify(item)}\n`).join("");
    case "yaml": {
      const { stringify } = await import("./yaml-text.ts");
      return stringify(data, { aliasDuplicateObjects: false });
    }
  }
};

/** For things that have no table: `json` unless something else that is data was asked for. */
export const dataFormat = (format: OutputFormat | undefined): "json" | "ndjson" | "yaml" =>
  format === "yaml" || format === "ndjson" ? format : "json";
