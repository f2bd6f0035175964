import stringWidth from "string-width";
import { printable } from "./printable.ts";

export interface Column<T> {
  readonly title: string;
  readonly value: (item: T) => string;
  readonly align?: "right";
}

const GAP = "   ";

/** Lines of text, columns as wide as their widest cell on a terminal, no trailing blanks, no truncation. */
export const renderTable = <T>(
  columns: readonly Column<T>[],
  items: readonly T[],
  bold: (text: string) => string = (text) => text,
): string => {
  const rows = [
    columns.map((column) => column.title),
    ...items.map((item) => columns.map((column) => printable(column.value(item)) || "-")),
  ];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => stringWidth(row[index] ?? ""))));
  const lines = rows.map((row) =>
    row
      .map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.align))
      .join(GAP)
      .trimEnd(),
  );
  return `${lines.map((line, index) => (index === 0 ? bold(line) : line)).join("\n")}\n`;
};

const pad = (cell: string, width: number, align: "right" | undefined): string => {
  const blanks = " ".repeat(width - stringWidth(cell));
  return align === "right" ? blanks + cell : cell + blanks;
};
