/**
 * A small FAT12 file system as bytes: what cloud-init's NoCloud reads, and kernels without ISO 9660 too. A flat root
 * directory, long names, times at FAT's zero: the same files give the same bytes.
 *
 * After Microsoft's "FAT: General Overview of On-Disk Format" and the kernel's fs/fat.
 */

const SECTOR = 512;
const ROOT_ENTRIES = 512;
const ENTRY = 32;
const ROOT_SECTORS = (ROOT_ENTRIES * ENTRY) / SECTOR;
const FATS = 2;
/** With more it would be taken for FAT16 */
const MAX_CLUSTERS = 4084;
const MIN_CLUSTERS = 64;
const FIRST_CLUSTER = 2;
const END_OF_CHAIN = 0xfff;
const MEDIA = 0xf8;
const READ_ONLY = 0x01;
const VOLUME_LABEL = 0x08;
const LONG_NAME = 0x0f;
/** 1 January 1980, FAT's first day */
const DATE = 0x21;

export interface FatFile {
  /** ASCII, at most 26 characters, without `/`; no two differ in case only */
  readonly name: string;
  readonly data: Uint8Array;
}

/** `label`: at most 11 ASCII characters, written as they are. At most 16 MiB of files. */
export const fatImage = (label: string, files: readonly FatFile[]): Uint8Array => {
  const bytes = files.reduce((sum, { data }) => sum + data.length + SECTOR, 0);
  let sectorsPerCluster = 1;
  while (bytes / (SECTOR * sectorsPerCluster) > MAX_CLUSTERS - MIN_CLUSTERS) sectorsPerCluster *= 2;
  const clusterSize = SECTOR * sectorsPerCluster;
  const used = files.reduce((sum, { data }) => sum + Math.ceil(data.length / clusterSize), 0);
  const clusters = Math.max(used, MIN_CLUSTERS);
  const fatSectors = Math.ceil(((clusters + FIRST_CLUSTER) * 1.5) / SECTOR);
  const rootStart = (1 + FATS * fatSectors) * SECTOR;
  const dataStart = rootStart + ROOT_SECTORS * SECTOR;
  const image = Buffer.alloc(dataStart + clusters * clusterSize);

  writeBootSector(image, { label, sectorsPerCluster, fatSectors });
  const fat = image.subarray(SECTOR, SECTOR * (1 + fatSectors));
  setEntry(fat, 0, 0xf00 | MEDIA);
  setEntry(fat, 1, END_OF_CHAIN);
  let directory = writeEntry(image, rootStart, {
    name: padded(label),
    attributes: VOLUME_LABEL,
    cluster: 0,
    size: 0,
  });
  let next = FIRST_CLUSTER;
  for (const [index, { name, data }] of files.entries()) {
    const count = Math.ceil(data.length / clusterSize);
    const cluster = count === 0 ? 0 : next;
    for (let i = 0; i < count; i++) setEntry(fat, next + i, i === count - 1 ? END_OF_CHAIN : next + i + 1);
    image.set(data, dataStart + (next - FIRST_CLUSTER) * clusterSize);
    next += count;
    const short = padded(`FILE${index}`);
    directory = writeLongName(image, directory, name, short);
    directory = writeEntry(image, directory, {
      name: short,
      attributes: READ_ONLY,
      cluster,
      size: data.length,
    });
  }
  image.copyWithin(SECTOR * (1 + fatSectors), SECTOR, SECTOR * (1 + fatSectors));
  return image;
};

const writeBootSector = (
  image: Buffer,
  {
    label,
    sectorsPerCluster,
    fatSectors,
  }: { readonly label: string; readonly sectorsPerCluster: number; readonly fatSectors: number },
): void => {
  const sectors = image.length / SECTOR;
  image.set([0xeb, 0x3c, 0x90], 0);
  image.write("FLNTLOCK", 3, "latin1");
  image.writeUInt16LE(SECTOR, 11);
  image.writeUInt8(sectorsPerCluster, 13);
  image.writeUInt16LE(1, 14); // Reserved: this sector
  image.writeUInt8(FATS, 16);
  image.writeUInt16LE(ROOT_ENTRIES, 17);
  image.writeUInt16LE(sectors < 0x10000 ? sectors : 0, 19);
  image.writeUInt8(MEDIA, 21);
  image.writeUInt16LE(fatSectors, 22);
  image.writeUInt16LE(32, 24); // Geometry, which nobody looks at
  image.writeUInt16LE(64, 26);
  image.writeUInt32LE(sectors < 0x10000 ? 0 : sectors, 32);
  image.writeUInt8(0x80, 36);
  image.writeUInt8(0x29, 38); // The three that follow are there
  image.writeUInt32LE(0x1d5eed, 39);
  image.write(padded(label), 43, "latin1");
  image.write("FAT12   ", 54, "latin1");
  image.set([0x55, 0xaa], 510);
};

/** Twelve bits each, two in three bytes. */
const setEntry = (fat: Buffer, cluster: number, value: number): void => {
  const at = Math.floor(cluster * 1.5);
  const old = fat.readUInt16LE(at);
  const isOdd = cluster % 2 === 1;
  fat.writeUInt16LE(isOdd ? (old & 0x000f) | (value << 4) : (old & 0xf000) | value, at);
};

interface Entry {
  readonly name: string;
  readonly attributes: number;
  readonly cluster: number;
  readonly size: number;
}

/** Returns where the next entry goes. */
const writeEntry = (image: Buffer, at: number, { name, attributes, cluster, size }: Entry): number => {
  image.write(name, at, "latin1");
  image.writeUInt8(attributes, at + 11);
  for (const date of [16, 18, 24]) image.writeUInt16LE(DATE, at + date);
  image.writeUInt16LE(cluster, at + 26);
  image.writeUInt32LE(size, at + 28);
  return at + ENTRY;
};

/** Where in an entry the 13 characters of its part of a long name are */
const PLACES = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] as const;
const LAST_PART = 0x40;

/** Its parts, the last one first, before the entry they belong to. */
const writeLongName = (image: Buffer, start: number, name: string, short: string): number => {
  const parts = Math.ceil(name.length / PLACES.length);
  const checksum = Buffer.from(short, "latin1").reduce(
    (sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff,
    0,
  );
  let at = start;
  for (let part = parts; part >= 1; part--) {
    image.writeUInt8(part === parts ? part | LAST_PART : part, at);
    image.writeUInt8(LONG_NAME, at + 11);
    image.writeUInt8(checksum, at + 13);
    for (const [index, place] of PLACES.entries()) {
      const position = (part - 1) * PLACES.length + index;
      // A zero ends it, and what is left of the part is filled.
      const unit = position < name.length ? name.charCodeAt(position) : position === name.length ? 0 : 0xffff;
      image.writeUInt16LE(unit, at + place);
    }
    at += ENTRY;
  }
  return at;
};

const padded = (label: string): string => label.padEnd(11).slice(0, 11);
