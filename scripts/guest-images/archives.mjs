/**
 * Writers of cpio (newc) and tar (ustar), reproducible: entries sorted by name, time 0, owner 0 unless said.
 *
 * An entry is `{ name, mode, data?, link?, rdev?, uid? }`: `name` without a leading slash, `mode` with the file type
 * as in stat(2), `data` for files, `link` for symlinks, `rdev` as `[major, minor]` for devices (cpio), `uid` for
 * owner and group (tar).
 */
const TYPE_MASK = 0o170000;

export const DIRECTORY = 0o040000;
export const FILE = 0o100000;
export const SYMLINK = 0o120000;
export const CHARACTER_DEVICE = 0o020000;

export const directory = (name, mode = 0o755) => ({ name, mode: DIRECTORY | mode });
export const file = (name, data, mode = 0o644) => ({ name, mode: FILE | mode, data: Buffer.from(data) });
export const symlink = (name, link) => ({ name, mode: SYMLINK | 0o777, link });

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
const content = (entry) => entry.data ?? Buffer.from(entry.link ?? "");
/** As many zeros as make `length` a multiple of `unit`. */
export const padding = (length, unit) => Buffer.alloc((unit - (length % unit)) % unit);

/** The format of initramfs: Documentation/driver-api/early-userspace/buffer-format.rst */
export function cpio(entries) {
  const parts = [];
  const add = (entry, inode) => {
    const data = content(entry);
    const [major, minor] = entry.rdev ?? [0, 0];
    const links = (entry.mode & TYPE_MASK) === DIRECTORY ? 2 : 1;
    const fields = [
      inode,
      entry.mode,
      0,
      0,
      links,
      0,
      data.length,
      0,
      0,
      major,
      minor,
      entry.name.length + 1,
      0,
    ];
    const head = Buffer.from(
      `070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}${entry.name}\0`,
    );
    parts.push(head, padding(head.length, 4), data, padding(data.length, 4));
  };
  [...entries].sort(byName).forEach((entry, index) => {
    add(entry, index + 1);
  });
  add({ name: "TRAILER!!!", mode: 0 }, 0);
  const archive = Buffer.concat(parts);
  return Buffer.concat([archive, padding(archive.length, 512)]);
}

const TAR_TYPES = new Map([
  [DIRECTORY, "5"],
  [FILE, "0"],
  [SYMLINK, "2"],
]);

/** POSIX.1-1988 ustar; names and links of at most 100 bytes. */
export function tar(entries) {
  const parts = [];
  for (const entry of [...entries].sort(byName)) {
    const kind = entry.mode & TYPE_MASK;
    const type = TAR_TYPES.get(kind);
    const name = kind === DIRECTORY ? `${entry.name}/` : entry.name;
    if (type === undefined || Buffer.byteLength(name) > 100 || Buffer.byteLength(entry.link ?? "") > 100) {
      throw new Error(`tar: ${entry.name}: a kind or a length that ustar does not hold`);
    }
    const data = entry.data ?? Buffer.alloc(0);
    const header = Buffer.alloc(512);
    const octal = (value, at, width) => header.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at);
    header.write(name, 0);
    octal(entry.mode & 0o7777, 100, 8);
    octal(entry.uid ?? 0, 108, 8);
    octal(entry.uid ?? 0, 116, 8);
    octal(data.length, 124, 12);
    octal(0, 136, 12);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(entry.link ?? "", 157);
    header.write("ustar\x0000", 257);
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    parts.push(header, data, padding(data.length, 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
