import { expect, test } from "vitest";
import { fatImage } from "./fat-image.ts";

/** Reads a file back by the chain of its clusters, as a driver would. */
const readBack = (image: Buffer): Readonly<Record<string, Buffer>> => {
  const cluster = image.readUInt8(13) * 512;
  const fatSectors = image.readUInt16LE(22);
  const root = (1 + 2 * fatSectors) * 512;
  const data = root + 512 * 32;
  const next = (n: number): number => {
    const pair = image.readUInt16LE(512 + Math.floor(n * 1.5));
    return n % 2 === 1 ? pair >> 4 : pair & 0xfff;
  };
  const found: Record<string, Buffer> = {};
  let name = "";
  for (let at = root; image[at] !== 0; at += 32) {
    const attributes = image.readUInt8(at + 11);
    if (attributes === 0x0f) {
      const units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].map((place) =>
        image.readUInt16LE(at + place),
      );
      name =
        units
          .filter((unit) => unit !== 0 && unit !== 0xffff)
          .map((unit) => String.fromCharCode(unit))
          .join("") + name;
      continue;
    }
    if (attributes === 0x08) continue;
    const parts: Buffer[] = [];
    for (let n = image.readUInt16LE(at + 26); n >= 2 && n < 0xff8; n = next(n)) {
      parts.push(image.subarray(data + (n - 2) * cluster, data + (n - 1) * cluster));
    }
    found[name] = Buffer.concat(parts).subarray(0, image.readUInt32LE(at + 28));
    name = "";
  }
  return found;
};

test("files of any size come back, empty and many-clustered ones too", () => {
  const files = [
    { name: "meta-data", data: Buffer.from("instance-id: x\n") },
    { name: "user-data", data: Buffer.alloc(700_001, "u") },
    { name: "vendor-data", data: Buffer.alloc(0) },
    { name: "network-config", data: Buffer.alloc(512, "n") },
  ];
  const image = Buffer.from(fatImage("cidata", files));
  expect(image.length % 512).toBe(0);
  expect(readBack(image)).toEqual(Object.fromEntries(files.map(({ name, data }) => [name, data])));
  expect(Buffer.from(fatImage("cidata", files)).equals(image)).toBe(true);
});

test("what does not fit in FAT12's clusters gets larger ones, and both tables agree", () => {
  const data = Buffer.alloc(5_000_000, "x");
  const image = Buffer.from(fatImage("cidata", [{ name: "user-data", data }]));
  expect(image.readUInt8(13)).toBeGreaterThan(1);
  expect(readBack(image)["user-data"]?.equals(data)).toBe(true);
  const size = image.readUInt16LE(22) * 512;
  expect(image.subarray(512, 512 + size).equals(image.subarray(512 + size, 512 + 2 * size))).toBe(true);
});
