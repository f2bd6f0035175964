/** Layers to a bootable disk, against skopeo + umoci + mkfs on the same image; and the disk of a second VM. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type OciReference, silentLog } from "@flintlock/core";
import { createImageDisks } from "../packages/daemon/src/adapters/images/disk/image-disks.ts";
import { createImageStore } from "../packages/daemon/src/adapters/images/image-store.ts";
import { createVolumeStore } from "../packages/daemon/src/adapters/volumes/volume-store.ts";
import { ROOT } from "../test/support/daemon.ts";
import { writeLayout } from "../test/support/oci-layout.ts";
import { ms, ratio, ratios, summarise, timed } from "./stats.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
const NAME = "bench.test/tree:1" as OciReference;
/** Trees of this machine that make up the image, as far as they exist: many small files, some large ones. */
const TREES = [
  "/usr/share/doc",
  "/usr/share/perl",
  "/usr/lib/git-core",
  "/usr/lib/x86_64-linux-gnu/perl",
  "/usr/include",
  "/etc",
];

export const benchDisk = async (rounds: number): Promise<void> => {
  const scratch = await mkdtemp(join(tmpdir(), "flintlock-bench-"));
  try {
    const layout = await makeImage(scratch);
    const ours: number[] = [];
    const others: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const a = await withOurs(scratch, layout);
      const b = await withTools(scratch, layout);
      if (round === 0) continue;
      ours.push(a);
      others.push(b);
    }
    console.log("layer to bootable disk");
    console.log(`  flintlock          ${ms(summarise(ours))}`);
    console.log(`  skopeo+umoci+mkfs  ${ms(summarise(others))}`);
    console.log(`  ratio              ${ratio(ratios(ours, others))}   goal: at most 0.50`);
    await secondDisk(scratch, layout);
  } finally {
    await rm(scratch, { recursive: true });
  }
};

const makeImage = async (scratch: string): Promise<string> => {
  const tree = join(scratch, "tree");
  await mkdir(tree);
  for (const source of TREES.filter(existsSync))
    await cp(source, join(tree, source), { recursive: true, verbatimSymlinks: true });
  const { stdout } = await run("du", ["-sm", tree]);
  console.log(`the image holds ${stdout.split("\t")[0]} MB in one gzip layer`);
  return writeLayout(join(scratch, "layout"), { name: NAME, layers: [tree] });
};

const withOurs = async (scratch: string, layout: string): Promise<number> => {
  const root = join(scratch, "store");
  const took = await timed(async () => {
    const images = await openStore(root);
    const [image] = await images.loadLayout(layout, signal);
    if (image !== undefined) await images.baseDisk(image.digest, undefined, signal);
  });
  await rm(root, { recursive: true });
  return took.ms;
};

const withTools = async (scratch: string, layout: string): Promise<number> => {
  const work = join(scratch, "tools");
  await mkdir(work);
  const took = await timed(async () => {
    await run("skopeo", ["copy", `oci:${layout}:${NAME}`, `oci:${work}/oci:latest`]);
    await run("umoci", ["unpack", "--image", `${work}/oci:latest`, `${work}/bundle`], {
      maxBuffer: 64 * 1024 * 1024,
    });
    await run("mkfs.ext4", [
      "-q",
      "-F",
      "-L",
      "root",
      "-d",
      `${work}/bundle/rootfs`,
      `${work}/disk.raw`,
      "10G",
    ]);
  });
  await rm(work, { recursive: true });
  return took.ms;
};

const secondDisk = async (scratch: string, layout: string): Promise<void> => {
  const images = await openStore(join(scratch, "store2"));
  const [image] = await images.loadLayout(layout, signal);
  if (image === undefined) throw new Error("the layout holds no image");
  const base = await images.baseDisk(image.digest, undefined, signal);
  const volumes = createVolumeStore();
  const times: number[] = [];
  for (let i = 0; i < 21; i++) {
    const directory = join(scratch, `vm${i}`);
    await mkdir(directory);
    const one = await timed(() =>
      volumes.ensure(directory, "root", base, { format: "qcow2", isReadOnly: false }, signal),
    );
    await stat(one.value.path);
    if (i > 0) times.push(one.ms);
  }
  console.log(`second VM's disk     ${ms(summarise(times))}   goal: 30 ms`);
};

const openStore = (root: string) =>
  createImageStore({
    root,
    insecureRegistries: [],
    platform: { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" },
    disks: createImageDisks({ workerUrl: pathToFileURL(join(ROOT, "packages/daemon/dist/disk-worker.js")) }),
    log: silentLog,
  });
