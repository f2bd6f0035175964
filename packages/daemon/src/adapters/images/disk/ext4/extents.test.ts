import fc from "fast-check";
import { expect, test } from "vitest";
import { appendBlock, countBlocks, type Extents, ROOT_SIZE, writeExtentTree } from "./extents.ts";

/** Reads a tree back: (logical, physical) of every block. */
const readBack = (root: Buffer, stored: ReadonlyMap<number, Buffer>): [number, number][] => {
  expect(root.readUInt16LE(0)).toBe(0xf30a);
  const depth = root.readUInt16LE(6);
  const blocks: [number, number][] = [];
  for (let i = 0; i < root.readUInt16LE(2); i++) {
    const at = 12 + 12 * i;
    if (depth > 0) {
      const below = stored.get(root.readUInt32LE(at + 4)) ?? Buffer.alloc(0);
      expect(below.readUInt16LE(6)).toBe(depth - 1);
      blocks.push(...readBack(below, stored));
    } else {
      for (let j = 0; j < root.readUInt16LE(at + 4); j++)
        blocks.push([root.readUInt32LE(at) + j, root.readUInt32LE(at + 8) + j]);
    }
  }
  return blocks;
};

const store = (extents: Extents) => {
  const stored = new Map<number, Buffer>();
  const root = Buffer.alloc(ROOT_SIZE);
  const count = writeExtentTree(extents, root, (bytes) => {
    stored.set(1_000_000 + stored.size, Buffer.from(bytes));
    return 1_000_000 + stored.size - 1;
  });
  expect(count).toBe(stored.size);
  return { root, stored };
};

test("neighbours on disk and in the file make one extent, up to 32,768 blocks", () => {
  const extents: Extents = [];
  for (let i = 0; i < 40_000; i++) appendBlock(extents, i, 500 + i);
  expect(extents).toEqual([0, 500, 32_768, 32_768, 500 + 32_768, 40_000 - 32_768]);
  appendBlock(extents, 50_000, 500 + 40_000);
  appendBlock(extents, 50_001, 7);
  expect(extents.slice(6)).toEqual([50_000, 40_500, 1, 50_001, 7, 1]);
  expect(countBlocks(extents)).toBe(40_002);
});

test.each([0, 1, 4, 5, 340, 341, 1360, 1361, 20_000])("a tree of %d extents holds every block", (count) => {
  const extents: Extents = [];
  for (let i = 0; i < count; i++) appendBlock(extents, i * 2, 10 + i * 3);
  const { root, stored } = store(extents);
  expect(readBack(root, stored)).toEqual(Array.from({ length: count }, (_, i) => [i * 2, 10 + i * 3]));
  expect(root.readUInt16LE(6)).toBe(count <= 4 ? 0 : count <= 1360 ? 1 : 2);
});

test("any blocks in rising order are found again", () => {
  const blocks = fc.uniqueArray(fc.nat(5000), { maxLength: 400 }).map((all) => all.sort((a, b) => a - b));
  fc.assert(
    fc.property(blocks, fc.infiniteStream(fc.nat(3)), (logicals, jumps) => {
      let physical = 100;
      const placed = logicals.map((logical): [number, number] => {
        physical += 1 + (jumps.next().value ?? 0);
        return [logical, physical];
      });
      const extents: Extents = [];
      for (const [logical, at] of placed) appendBlock(extents, logical, at);
      const { root, stored } = store(extents);
      expect(readBack(root, stored)).toEqual(placed);
    }),
  );
});
