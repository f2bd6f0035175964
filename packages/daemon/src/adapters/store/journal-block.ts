/**
 * What one write to the disk appends to the journal is one value, as a key for each entry would double the keys of a
 * transaction. An entry is `<revision>:<length>:<value>`, its length in UTF-16 units, one after the other.
 */
import { FlintlockError, type JournalEntry } from "@flintlock/core";

/** Entries of one block: a reader has it in memory as a whole */
const MAX_ENTRIES = 32;

export interface JournalBlock {
  /** Revision of its newest entry */
  readonly last: number;
  readonly text: string;
}

export const journalBlocks = (entries: readonly JournalEntry[]): readonly JournalBlock[] => {
  const blocks: JournalBlock[] = [];
  for (let at = 0; at < entries.length; at += MAX_ENTRIES) {
    const some = entries.slice(at, at + MAX_ENTRIES);
    const text = some.map(({ revision, value }) => `${revision}:${value.length}:${value}`).join("");
    blocks.push({ last: some.at(-1)?.revision ?? 0, text });
  }
  return blocks;
};

/** @throws FlintlockError `data_loss` – it is not what was written */
export const entriesOf = (text: string): readonly JournalEntry[] => {
  const entries: JournalEntry[] = [];
  for (let at = 0; at < text.length; ) {
    const first = text.indexOf(":", at);
    const second = text.indexOf(":", first + 1);
    const revision = Number(text.slice(at, first));
    const end = second + 1 + Number(text.slice(first + 1, second));
    if (first < 0 || second < 0 || !Number.isSafeInteger(revision) || !(end > second && end <= text.length)) {
      throw new FlintlockError("data_loss", "state store: a part of the journal is damaged");
    }
    entries.push({ revision, value: text.slice(second + 1, end) });
    at = end;
  }
  return entries;
};
