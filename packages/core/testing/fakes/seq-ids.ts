import type { IdSource, Uid } from "@flintlock/core";

/** Uids that count: the first is 01HF00000000000000000000001. */
export class SeqIds implements IdSource {
  #last = 0;

  uid(): Uid {
    this.#last++;
    return `01HF${String(this.#last).padStart(22, "0")}` as Uid;
  }

  fingerprint(text: string): string {
    return text;
  }
}
