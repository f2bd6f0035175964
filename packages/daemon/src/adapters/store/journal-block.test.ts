import fc from "fast-check";
import { expect, test } from "vitest";
import { entriesOf, journalBlocks } from "./journal-block.ts";

const entry = fc.record({ revision: fc.nat(), value: fc.string({ unit: "binary" }) });

test("what is read is what was appended, whatever it is, under the key of each block's newest", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 100 }), (entries) => {
      const blocks = journalBlocks(entries);
      expect(blocks.flatMap(({ text }) => entriesOf(text))).toEqual(entries);
      expect(blocks.map(({ last }) => last)).toEqual(
        blocks.map(({ text }) => entriesOf(text).at(-1)?.revision),
      );
    }),
  );
});

test.each(["x", "1", "1:", "1:5:abc", "1:-1:", "1:x:abc", "1:3:abcd", "a:0:"])("%s is damage", (text) => {
  expect(() => entriesOf(text)).toThrow(expect.objectContaining({ code: "data_loss" }));
});
