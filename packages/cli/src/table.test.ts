import { expect, test } from "vitest";
import { renderTable } from "./table.ts";

const columns = [
  { title: "NAME", value: (row: readonly string[]) => row[0] ?? "" },
  { title: "N", value: (row: readonly string[]) => row[1] ?? "", align: "right" as const },
  { title: "NOTE", value: (row: readonly string[]) => row[2] ?? "" },
];

test("columns are as wide as their widest cell, wide characters count double, no blanks trail", () => {
  expect(
    renderTable(columns, [
      ["web", "5", "x"],
      ["日本", "100", ""],
    ]),
  ).toBe("NAME     N   NOTE\nweb      5   x\n日本   100   -\n");
});

test("no rows leave the heading", () => {
  expect(renderTable(columns, [], (line) => `<${line}>`)).toBe("<NAME   N   NOTE>\n");
});

test("control characters of a cell are shown, not sent", () => {
  expect(renderTable(columns, [["a\x1b[2Jb\n", "1", "\u202eevil"]])).toContain(
    "a\\x1b[2Jb\\n   1   \\u202eevil",
  );
});
