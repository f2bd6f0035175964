/** Whether a layout is what a build would make again, asked in milliseconds. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

const RECORD = "build.json";
/** Its modification time changes when `apt-get update` finds something: only then can there be a newer kernel. */
const APT_LISTS = "/var/lib/apt/lists";

/** One digest of everything in `directories` and of the size and time of each of `files`. */
export async function digestOfSources(directories, files) {
  const hash = createHash("sha256");
  for (const directory of directories) {
    for (const name of (await readdir(directory)).sort()) {
      if (!/\.(c|h|mjs)$/.test(name)) continue;
      hash.update(`${name}\0`).update(await readFile(join(directory, name)));
    }
  }
  for (const file of files) hash.update(`${file} ${await stamp(file)}\0`);
  return hash.digest("hex");
}

async function stamp(path) {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? "absent" : `${found.size} ${found.mtimeMs}`;
}

export async function aptStamp() {
  return stamp(APT_LISTS);
}

/** `{ sources, apt, kernel, images }` of the build that made the layout, undefined when there is none. */
export async function readRecord(layout) {
  try {
    return JSON.parse(await readFile(join(layout, RECORD), "utf8"));
  } catch {
    // No layout, or one of another making: a reason to build, not to fail.
    return undefined;
  }
}

export async function writeRecord(layout, record) {
  await writeFile(join(layout, RECORD), `${JSON.stringify(record)}\n`);
}
