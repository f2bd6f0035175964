import fc from "fast-check";
import { expect, test } from "vitest";
import {
  directory,
  file,
  hardlink,
  inChunks,
  type Member,
  makeTar,
  memberBytes,
  paxRecord,
  symlink,
} from "../testing/make-tar.ts";
import { MAX_EXTENSION_BYTES, readTar } from "./read-tar.ts";
import { binaryToText, type TarEntry, textToBinary } from "./tar-entry.ts";

const live = new AbortController().signal;

interface ReadEntry extends Omit<TarEntry, "body"> {
  readonly data: string;
}

const readAll = async (archive: Uint8Array, chunkBytes?: number): Promise<readonly ReadEntry[]> => {
  const entries: ReadEntry[] = [];
  for await (const { body, ...entry } of readTar(inChunks(archive, chunkBytes), live)) {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    entries.push({ ...entry, data: Buffer.concat(parts).toString("latin1") });
  }
  return entries;
};

const readOne = async (...members: readonly Member[]): Promise<ReadEntry> => {
  const [first] = await readAll(makeTar(...members));
  if (first === undefined) throw new Error("no entry");
  return first;
};

test("every kind of entry is read with its attributes", async () => {
  const entries = await readAll(
    makeTar(
      directory("dir", { mode: 0o1777, uid: 1, gid: 2, mtime: 3 }),
      file("dir/file", "hello", { mode: 0o4755 }),
      symlink("dir/sym", "../target"),
      hardlink("dir/hard", "dir/file"),
      { path: "dev/null", typeFlag: "3", devMajor: 1, devMinor: 3 },
      { path: "dev/sda", typeFlag: "4", devMajor: 8, devMinor: 0 },
      { path: "pipe", typeFlag: "6" },
    ),
  );
  expect(entries.map(({ path, type, linkPath, data }) => [path, type, linkPath, data])).toEqual([
    ["dir/", "directory", "", ""],
    ["dir/file", "file", "", "hello"],
    ["dir/sym", "symlink", "../target", ""],
    ["dir/hard", "hardlink", "dir/file", ""],
    ["dev/null", "char", "", ""],
    ["dev/sda", "block", "", ""],
    ["pipe", "fifo", "", ""],
  ]);
  expect(entries[0]).toMatchObject({ mode: 0o1777, uid: 1, gid: 2, mtime: 3 });
  expect(entries[1]?.mode).toBe(0o4755);
  expect(entries[4]).toMatchObject({ devMajor: 1, devMinor: 3 });
});

test("pax records replace the header's fields", async () => {
  const path = `${"d/".repeat(200)}${textToBinary("é")}`;
  const entry = await readOne(
    file("short", "data", { pax: { path, uid: "3000000", gid: "4000000", mtime: "1700000000.5" } }),
  );
  expect(entry).toMatchObject({ path, uid: 3_000_000, gid: 4_000_000, mtime: 1_700_000_000.5, data: "data" });
  expect(binaryToText(entry.path).endsWith("é")).toBe(true);
});

test("a pax size decides where the next header is", async () => {
  const big = file("a", "x".repeat(700), { pax: { size: "700" }, patch: (header) => header.write("0", 134) });
  expect((await readAll(makeTar(big, file("b", "y")))).map((e) => e.data.length)).toEqual([700, 1]);
});

test("attribute values keep every byte", async () => {
  const value = "\x01\x00\x00\x02=\n\xff\xfe";
  const entry = await readOne(file("f", "", { pax: { "SCHILY.xattr.security.capability": value } }));
  expect(Buffer.from(entry.xattrs.get("security.capability") ?? []).toString("latin1")).toBe(value);
});

test("libarchive's attributes are decoded, and give way to raw ones", async () => {
  const entry = await readOne(
    file("f", "", {
      pax: {
        "SCHILY.xattr.user.a": "raw",
        "LIBARCHIVE.xattr.user.a": Buffer.from("other").toString("base64"),
        "LIBARCHIVE.xattr.user.b%3Dc": Buffer.from("\xff\0", "latin1").toString("base64"),
      },
    }),
  );
  const values = [...entry.xattrs].map(([name, value]) => [name, Buffer.from(value).toString("latin1")]);
  expect(values).toEqual([
    ["user.a", "raw"],
    ["user.b=c", "\xff\0"],
  ]);
});

test("names that are not UTF-8 survive byte for byte", async () => {
  expect((await readOne(file("a\xff\xc3b"))).path).toBe("a\xff\xc3b");
});

test("GNU long names and long links are joined to the entry after them", async () => {
  const path = `${"p/".repeat(100)}end`;
  const link = "l".repeat(300);
  const archive = makeTar(
    { path: "././@LongLink", typeFlag: "K", data: `${link}\0` },
    { path: "././@LongLink", typeFlag: "L", data: `${path}\0` },
    symlink("short", "short"),
    file("next"),
  );
  const [first, second] = await readAll(archive);
  expect(first).toMatchObject({ path, linkPath: link, type: "symlink" });
  expect(second).toMatchObject({ path: "next", linkPath: "" });
});

test("only POSIX archives have a path prefix", async () => {
  const withPrefix = (magic: string) => (header: Buffer) => {
    header.write("pre/fix", 345);
    header.write(magic, 257, "latin1");
  };
  expect((await readOne(file("name", "", { patch: withPrefix("ustar\x0000") }))).path).toBe("pre/fix/name");
  expect((await readOne(file("name", "", { patch: withPrefix("ustar  \0") }))).path).toBe("name");
});

test("global pax records count until an entry has its own", async () => {
  const archive = makeTar(
    { path: "g", typeFlag: "g", data: Buffer.concat([paxRecord("uid", "77"), paxRecord("comment", "x")]) },
    file("a"),
    file("b", "", { pax: { uid: "5" } }),
  );
  expect((await readAll(archive)).map((e) => e.uid)).toEqual([77, 5]);
});

test("base-256 numbers may be large or negative", async () => {
  const entry = await readOne(
    file("f", "", {
      patch: (header) => {
        header.set([0x80, 0, 0, 0, 0xee, 0x6b, 0x28, 0], 108); // uid 4e9
        header.fill(0xff, 136, 148); // mtime -1
      },
    }),
  );
  expect(entry).toMatchObject({ uid: 4_000_000_000, mtime: -1 });
});

test("a file whose name ends with a slash is a directory", async () => {
  expect((await readOne(file("old/"))).type).toBe("directory");
});

test("a body that is not read is skipped", async () => {
  const archive = makeTar(file("a", "x".repeat(5000)), file("b", "y".repeat(10)), file("c"));
  const paths: string[] = [];
  for await (const entry of readTar(inChunks(archive, 700), live)) {
    paths.push(entry.path);
    if (entry.path !== "b") continue;
    for await (const part of entry.body) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
  }
  expect(paths).toEqual(["a", "b", "c"]);
});

test("a body cannot be read once the next entry was asked for", async () => {
  const kept: TarEntry[] = [];
  for await (const entry of readTar(inChunks(makeTar(file("a", "x"), file("b"))), live)) kept.push(entry);
  await expect(kept[0]?.body[Symbol.asyncIterator]().next()).rejects.toThrow("after the next entry");
});

test("the source is read to its end and then let go", async () => {
  let seen = 0;
  const source = async function* () {
    for await (const chunk of inChunks(Buffer.concat([makeTar(file("a")), Buffer.alloc(9000)]), 512)) {
      seen += chunk.length;
      yield chunk;
    }
  };
  for await (const _ of readTar(source(), live));
  expect(seen).toBe(makeTar(file("a")).length + 9000);
});

test("leaving early closes the source", async () => {
  let isClosed = false;
  const source = async function* () {
    try {
      yield* inChunks(makeTar(file("a", "x".repeat(9000))), 512);
    } finally {
      isClosed = true;
    }
  };
  for await (const _ of readTar(source(), live)) break;
  expect(isClosed).toBe(true);
});

test("an aborted signal stops the reading", async () => {
  const abort = new AbortController();
  const reading = async () => {
    for await (const _ of readTar(
      inChunks(makeTar(file("a", "x".repeat(9000)), file("b")), 512),
      abort.signal,
    ))
      abort.abort();
  };
  await expect(reading()).rejects.toMatchObject({ name: "AbortError" });
});

test("an archive may end without blocks of zeros, but not within an entry", async () => {
  const bytes = memberBytes(file("a", "x".repeat(600)));
  expect(await readAll(bytes)).toHaveLength(1);
  for (const cut of [1, 511, 512, 600, 1112, 1113, bytes.length - 1]) {
    await expect(readAll(bytes.subarray(0, cut)), `cut at ${cut}`).rejects.toMatchObject({
      code: "data_loss",
    });
  }
});

test("an extension header without its entry is an error", async () => {
  const bytes = memberBytes(file("a", "", { pax: { uid: "1" } }));
  await expect(readAll(bytes.subarray(0, 1024))).rejects.toMatchObject({ code: "data_loss" });
});

test("a damaged header is refused", async () => {
  const archive = makeTar(file("a"));
  archive[0] = 0x7a;
  await expect(readAll(archive)).rejects.toThrow("checksum");
});

test("a number that is not octal is refused", async () => {
  const archive = makeTar(file("a", "", { patch: (header) => header.write("9z", 108) }));
  await expect(readAll(archive)).rejects.toThrow("number at offset 108");
});

test.each([
  ["a record longer than the header", "99 path=x\n"],
  ["a record without a length", "path=x\n"],
  ["a record without an equals sign", "8 path\nx"],
  ["a record without a newline", "9 path=xx"],
  ["a NUL in a path", "10 path=\0\n"],
  ["a negative size", "10 size=-1\n"],
  ["a size beyond exact numbers", "29 size=99999999999999999999\n"],
])("%s is refused", async (_, records) => {
  const archive = makeTar({ path: "x", typeFlag: "x", data: records }, file("a"));
  await expect(readAll(archive)).rejects.toMatchObject({ code: "data_loss" });
});

test("an extension header over the bound is refused before it is read", async () => {
  const claim = (header: Buffer) =>
    header.write((MAX_EXTENSION_BYTES + 1).toString(8).padStart(11, "0"), 124);
  const archive = makeTar({ path: "x", typeFlag: "x", patch: claim });
  await expect(readAll(archive)).rejects.toThrow("over the limit");
});

test("sparse members and unknown types are refused by name", async () => {
  await expect(readOne({ path: "holes", typeFlag: "S" })).rejects.toThrow('"holes" is a sparse member');
  await expect(readOne(file("s", "", { pax: { "GNU.sparse.major": "1" } }))).rejects.toMatchObject({
    code: "unsupported",
  });
  await expect(readOne({ path: "m", typeFlag: "M" })).rejects.toMatchObject({ code: "unsupported" });
});

test("how the stream is cut into chunks does not matter", async () => {
  const member = fc.record({
    path: fc.string({ unit: fc.constantFrom("a", "/", ".", "\xff"), minLength: 1, maxLength: 300 }),
    data: fc.uint8Array({ maxLength: 2000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(member, { maxLength: 6 }),
      fc.integer({ min: 1, max: 4000 }),
      async (members, size) => {
        const files = members.filter(({ path }) => !path.endsWith("/"));
        const entries = await readAll(makeTar(...files), size);
        expect(entries.map(({ path, data }) => ({ path, data }))).toEqual(
          files.map(({ path, data }) => ({ path, data: Buffer.from(data).toString("latin1") })),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test("damaged archives end in an error or in entries, never in a hang or another kind of failure", async () => {
  const archive = makeTar(
    directory("d"),
    file("d/f", "x".repeat(900), { pax: { uid: "7" } }),
    symlink("s", "t"),
  );
  const damage = fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(damage, async (changes) => {
      const bytes = Buffer.from(archive);
      for (const [offset, value] of changes) bytes[offset] = value;
      const failure = await readAll(bytes).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure !== undefined) expect(failure).toHaveProperty("name", "FlintlockError");
    }),
    { numRuns: 300 },
  );
});
