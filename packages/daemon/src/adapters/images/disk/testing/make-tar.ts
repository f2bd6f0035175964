/** Small tar archives in memory, for tests: ustar with pax records where ustar falls short. */

export interface Member {
  /** Binary string */
  readonly path: string;
  readonly typeFlag?: string;
  readonly linkPath?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly data?: Uint8Array | string;
  /** Written as an `x` header before the member; keys and values are binary strings */
  readonly pax?: Readonly<Record<string, string>>;
  /** Bytes laid over the finished header before its checksum is taken */
  readonly patch?: (header: Buffer) => void;
}

export const file = (path: string, data: Uint8Array | string = "", more: Partial<Member> = {}): Member => ({
  path,
  data,
  ...more,
});
export const directory = (path: string, more: Partial<Member> = {}): Member => ({
  path: `${path}/`,
  typeFlag: "5",
  mode: 0o755,
  ...more,
});
export const symlink = (path: string, linkPath: string, more: Partial<Member> = {}): Member => ({
  path,
  linkPath,
  typeFlag: "2",
  mode: 0o777,
  ...more,
});
export const hardlink = (path: string, linkPath: string): Member => ({ path, linkPath, typeFlag: "1" });
export const whiteout = (path: string): Member => {
  const slash = path.lastIndexOf("/") + 1;
  return { path: `${path.slice(0, slash)}.wh.${path.slice(slash)}` };
};
export const opaque = (path: string): Member => ({ path: `${path}/.wh..wh..opq` });

export const makeTar = (...members: readonly Member[]): Buffer =>
  Buffer.concat([...members.map(memberBytes), Buffer.alloc(1024)]);

export const memberBytes = (member: Member): Buffer => {
  const records = { ...member.pax };
  if (member.path.length > 100) records["path"] ??= member.path;
  if ((member.linkPath ?? "").length > 100) records["linkpath"] ??= member.linkPath ?? "";
  const parts: Buffer[] = [];
  if (Object.keys(records).length > 0) {
    const body = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
    parts.push(header({ path: "PaxHeaders/x", typeFlag: "x" }, body.length), padded(body));
  }
  const data = typeof member.data === "string" ? Buffer.from(member.data) : Buffer.from(member.data ?? []);
  parts.push(header(member, data.length), padded(data));
  return Buffer.concat(parts);
};

export const paxRecord = (key: string, value: string): Buffer => {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return Buffer.from(`${length}${rest}`, "latin1");
};

const header = (member: Member, size: number): Buffer => {
  const block = Buffer.alloc(512);
  block.write(member.path.slice(0, 100), 0, "latin1");
  writeOctal(block, member.mode ?? 0o644, 100, 8);
  writeOctal(block, member.uid ?? 0, 108, 8);
  writeOctal(block, member.gid ?? 0, 116, 8);
  writeOctal(block, size, 124, 12);
  writeOctal(block, member.mtime ?? 1_700_000_000, 136, 12);
  block.write(member.typeFlag ?? "0", 156, "latin1");
  block.write((member.linkPath ?? "").slice(0, 100), 157, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  writeOctal(block, member.devMajor ?? 0, 329, 8);
  writeOctal(block, member.devMinor ?? 0, 337, 8);
  member.patch?.(block);
  block.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
};

const writeOctal = (block: Buffer, value: number, offset: number, width: number): void => {
  block.write(value.toString(8).padStart(width - 1, "0"), offset, "latin1");
};

const padded = (data: Buffer): Buffer =>
  Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);

/** `bytes` as a stream of chunks of `chunkBytes`. */
export async function* inChunks(bytes: Uint8Array, chunkBytes = 65_536): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += chunkBytes)
    yield bytes.subarray(start, start + chunkBytes);
}
