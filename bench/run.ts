/**
 * `npm run bench [boot|start|api|disk|exec]`: all of it in a few minutes. Ratios are against bare tools in the same run.
 * `npm run bench exec-full`: as exec, with 100 MB to each command and back, in half an hour.
 */
import { cpus, loadavg } from "node:os";
import { benchApi } from "./api.ts";
import { benchBoot } from "./boot.ts";
import { benchDisk } from "./disk.ts";
import { benchExec } from "./exec.ts";
import { benchInstanceStart } from "./instance-start.ts";

const wanted = process.argv.slice(2);
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);

console.log(
  `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}`,
);
if (isWanted("boot")) await benchBoot(7);
if (isWanted("start")) await benchInstanceStart(15);
if (isWanted("api")) await benchApi();
if (isWanted("disk")) await benchDisk(5);
if (isWanted("exec")) await benchExec(2);
if (wanted.includes("exec-full")) await benchExec(100);
