/**
 * Progress, always on stderr. On a terminal one line per item, redrawn, and cleared at the end in favour of
 * one line; elsewhere one line per change of stage; as NDJSON for programs. Nothing is shown of what ends
 * within 200 ms.
 */
import { stripVTControlCharacters } from "node:util";
import stringWidth from "string-width";
import type { Output } from "./io.ts";
import type { Palette } from "./palette.ts";
import { printable } from "./printable.ts";
import { formatBytes, formatDuration } from "./units.ts";

export const PROGRESS_MODES = ["auto", "tty", "plain", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

export interface ProgressItem {
  /** What happens: `download`, `verify`, `boot` */
  readonly stage: string;
  readonly doneBytes?: number;
  /** 0 = unknown */
  readonly totalBytes?: number;
}

export interface Progress {
  /** Shows or updates the line of `id`. */
  update(id: string, item: ProgressItem): void;
  /** Clears what is shown, then leaves `summary` when the whole took long enough to be worth a line. */
  end(summary?: string): void;
}

export interface ProgressOptions {
  readonly mode: ProgressMode;
  readonly stream: Output;
  readonly palette: Palette;
  /** Milliseconds; for tests */
  readonly now?: () => number;
}

const QUIET_MS = 200;
const FRAME_MS = 100;
const BAR_WIDTH = 24;
const LABEL_WIDTH = 14;

export const createProgress = (options: ProgressOptions): Progress => {
  const { mode, stream } = options;
  const resolved = mode === "auto" ? (stream.isTTY ? "tty" : "plain") : mode;
  switch (resolved) {
    case "none":
      return { update: () => {}, end: () => {} };
    case "tty":
      return barProgress(options);
    case "plain":
      return lineProgress(options, plainLine);
    case "json":
      return lineProgress(options, jsonLine);
  }
};

interface Row extends ProgressItem {
  readonly id: string;
  readonly startedMs: number;
}

const barProgress = ({ stream, palette, now = Date.now }: ProgressOptions): Progress => {
  const rows = new Map<string, Row>();
  const startedMs = now();
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const erase = () => (drawn === 0 ? "" : `\x1b[${drawn}A\r\x1b[J`);
  const draw = () => {
    if (now() - startedMs < QUIET_MS) return;
    const height = Math.max(1, (stream.rows ?? 24) - 2);
    const lines = visibleRows([...rows.values()], height).map((row) =>
      fit(barLine(row, now(), palette), (stream.columns ?? 80) - 1),
    );
    stream.write(`${erase()}${lines.map((line) => `${line}\n`).join("")}`);
    drawn = lines.length;
  };
  return {
    update: (id, item) => {
      rows.set(id, { ...item, id, startedMs: rows.get(id)?.startedMs ?? now() });
      timer ??= setInterval(draw, FRAME_MS).unref();
    },
    end: (summary) => {
      clearInterval(timer);
      timer = undefined;
      const isWorthALine = summary !== undefined && now() - startedMs >= QUIET_MS;
      const text = `${erase()}${isWorthALine ? `${summary}\n` : ""}`;
      if (text !== "") stream.write(text);
      drawn = 0;
      rows.clear();
    },
  };
};

/** When the screen is too low for all, those under way go first. */
const visibleRows = (rows: readonly Row[], height: number): readonly Row[] => {
  if (rows.length <= height) return rows;
  const active = rows.filter((row) => row.stage !== "done");
  return [...active, ...rows.filter((row) => row.stage === "done")].slice(0, height);
};

const barLine = (row: Row, nowMs: number, palette: Palette): string => {
  const label = printable(row.id).padEnd(LABEL_WIDTH);
  const elapsedMs = nowMs - row.startedMs;
  const { doneBytes = 0, totalBytes = 0, stage } = row;
  if (stage === "done") return `${label} ${palette.green("done")}`;
  if (totalBytes <= 0) return `${label} ${printable(stage)} ${palette.dim(formatDuration(elapsedMs))}`;
  const part = Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(part * BAR_WIDTH);
  const bar = `${"█".repeat(filled)}${palette.dim("░".repeat(BAR_WIDTH - filled))}`;
  const rate = elapsedMs > 0 ? `${formatBytes((doneBytes / elapsedMs) * 1000)}/s` : "";
  const amount = `${formatBytes(doneBytes)} / ${formatBytes(totalBytes)}`;
  return `${label} ${printable(stage).padEnd(8)} ${bar} ${amount}  ${rate}  ${palette.dim(formatDuration(elapsedMs))}`;
};

/** A line that wraps would break the redraw. */
const fit = (line: string, columns: number): string => {
  if (stringWidth(line) <= columns) return line;
  const plain = stripVTControlCharacters(line);
  let cut = plain;
  while (stringWidth(cut) > columns) cut = cut.slice(0, -1);
  return cut;
};

type RenderLine = (row: Row, nowMs: number, startedMs: number) => string;

/** Lines wait until the quiet time has passed; `isSame` drops those that say nothing new. */
const lineProgress = ({ stream, now = Date.now }: ProgressOptions, render: RenderLine): Progress => {
  const shown = new Map<string, { readonly stage: string; readonly atMs: number }>();
  const waiting: string[] = [];
  const startedMs = now();
  let timer: NodeJS.Timeout | undefined;

  const flush = () => {
    if (waiting.length > 0) stream.write(waiting.splice(0).join(""));
  };
  return {
    update: (id, item) => {
      const last = shown.get(id);
      const isFrame = render === jsonLine && now() - (last?.atMs ?? 0) >= FRAME_MS;
      if (last?.stage === item.stage && !isFrame) return;
      shown.set(id, { stage: item.stage, atMs: now() });
      waiting.push(render({ ...item, id, startedMs }, now(), startedMs));
      if (now() - startedMs >= QUIET_MS) flush();
      else timer ??= setTimeout(flush, QUIET_MS).unref();
    },
    end: (summary) => {
      clearTimeout(timer);
      timer = undefined;
      if (now() - startedMs < QUIET_MS) return;
      if (summary !== undefined && render === plainLine) waiting.push(`${clockTime(now())} ${summary}\n`);
      flush();
    },
  };
};

const plainLine: RenderLine = (row, nowMs) => {
  const total = row.totalBytes ? ` (${formatBytes(row.totalBytes)})` : "";
  return `${clockTime(nowMs)} ${printable(row.id)}: ${printable(row.stage)}${total}\n`;
};

const jsonLine: RenderLine = (row, nowMs, startedMs) =>
  `${JSON.stringify({
    id: row.id,
    stage: row.stage,
    done: row.doneBytes ?? 0,
    total: row.totalBytes ?? 0,
    ms: Math.round(nowMs - startedMs),
  })}\n`;

const clockTime = (ms: number): string => new Date(ms).toISOString().slice(11, 19);
