/** Files that others may replace while the daemon runs: certificates, credentials. */
import { stat } from "node:fs/promises";

export interface FileWatch {
  close(): void;
}

/**
 * Calls `onChange` after any of the files, or what a link at its path leads to, is another than before. Looked at, not
 * listened for: a watch by inode is lost with the first rename, which is how files are replaced well.
 */
export const watchFiles = (
  paths: () => readonly string[],
  periodMs: number,
  onChange: () => void,
): FileWatch => {
  let before: string | undefined;
  let isLooking = false;
  const look = async (): Promise<void> => {
    const now = (await Promise.all(paths().map(mark))).join("\n");
    const isChanged = before !== undefined && now !== before;
    before = now;
    if (isChanged) onChange();
  };
  const tick = (): void => {
    if (isLooking) return;
    isLooking = true;
    // `mark` answers for every path, and `onChange` must not throw
    void look().finally(() => {
      isLooking = false;
    });
  };
  tick();
  const timer = setInterval(tick, periodMs).unref();
  return { close: () => clearInterval(timer) };
};

const mark = (path: string): Promise<string> =>
  stat(path, { bigint: true }).then(
    ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(":"),
    (error: NodeJS.ErrnoException) => error.code ?? "unreadable",
  );
