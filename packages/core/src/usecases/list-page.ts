/**
 * One page of a list. Its token is the uid of the last microVM on it: uids sort by creation, so what is made or deleted
 * between two pages neither repeats nor hides another.
 */
import { invalidField } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { isUid } from "../domain/names.ts";

export const MAX_PAGE_SIZE = 1000;

export interface PageRequest {
  /** 0 = all on one page */
  readonly size: number;
  /** Of the page before; empty = the first page */
  readonly token: string;
}

export interface Page {
  readonly microvms: readonly MicroVM[];
  /** Empty on the last page */
  readonly nextToken: string;
}

/** `all` is sorted by uid. @throws FlintlockError `invalid_spec` – a size over 1000, or a token that is none of ours */
export const pageOf = (all: readonly MicroVM[], { size, token }: PageRequest): Page => {
  if (!Number.isInteger(size) || size < 0 || size > MAX_PAGE_SIZE) {
    throw invalidField(
      "page_size",
      `${size} is out of range: must be 1 to ${MAX_PAGE_SIZE}, or 0 for no pages`,
    );
  }
  if (token !== "" && !isUid(token)) {
    throw invalidField("page_token", "must be the next page token of an earlier list");
  }
  const start = token === "" ? 0 : firstAfter(all, token);
  if (size === 0) return { microvms: start === 0 ? all : all.slice(start), nextToken: "" };
  const microvms = all.slice(start, start + size);
  const isLast = start + size >= all.length;
  return { microvms, nextToken: isLast ? "" : (microvms.at(-1)?.uid ?? "") };
};

const firstAfter = (all: readonly MicroVM[], uid: string): number => {
  const index = all.findIndex((vm) => vm.uid > uid);
  return index === -1 ? all.length : index;
};
