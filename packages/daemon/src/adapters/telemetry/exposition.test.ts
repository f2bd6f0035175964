import fc from "fast-check";
import { expect, test } from "vitest";
import { METRIC_NAME, namePart, renderFamilies } from "./exposition.ts";
import { parseExposition } from "./testing/parse-exposition.ts";

test("samples stand under one HELP and one TYPE, and a family without samples is not told of", () => {
  const text = renderFamilies([
    {
      name: "a_total",
      help: "Some \\ text\nof two lines",
      type: "counter",
      samples: [
        { labels: { x: 'quote " slash \\ line\n' }, value: 1 },
        { labels: {}, value: 2.5 },
      ],
    },
    { name: "b", help: "None", type: "gauge", samples: [] },
  ]);
  expect(text).toBe(
    [
      "# HELP a_total Some \\\\ text\\nof two lines",
      "# TYPE a_total counter",
      'a_total{x="quote \\" slash \\\\ line\\n"} 1',
      "a_total 2.5",
      "",
    ].join("\n"),
  );
});

test("whatever a label says, a reader gets it back", () => {
  const anyText = fc.string({ unit: "binary", maxLength: 40 });
  const hostile = fc.string({ unit: fc.constantFrom('"', "\\", "\n", "n", "{", "}", ",", "=", " ", "#") });
  fc.assert(
    fc.property(fc.oneof(anyText, hostile), (value) => {
      const text = renderFamilies([
        { name: "m", help: value, type: "gauge", samples: [{ labels: { one: value, two: "2" }, value: 1 }] },
      ]);
      // A carriage return and the like are no line ends of the format.
      const [family] = parseExposition(text);
      expect(family?.samples[0]?.labels).toEqual({ one: value, two: "2" });
    }),
  );
});

test("a part of a name holds what a name can hold", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(METRIC_NAME.test(`x_${namePart(text)}`)).toBe(true);
    }),
  );
  expect(namePart("block_data-1.x")).toBe("block_data_1_x");
});
