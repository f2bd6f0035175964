/** How an event is kept in the journal: JSON with a format version, as records are. */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVMEvent } from "../domain/microvm-event.ts";
import type { JournalEntry } from "../ports/state-store.ts";

const FORMAT = 1;

export const encodeEvent = (event: MicroVMEvent): string => JSON.stringify({ format: FORMAT, event });

/** @throws FlintlockError `data_loss` – no event, or of a newer format */
export const decodeEvent = ({ revision, value }: JournalEntry): MicroVMEvent => {
  const { format, event } = parse(value);
  if (format !== FORMAT || typeof event?.uid !== "string") {
    throw new FlintlockError("data_loss", `the event at position ${revision} cannot be read`, {
      detail: { position: revision },
      hint: "list the microVMs anew, and watch from there",
    });
  }
  return event;
};

const parse = (text: string): { readonly format?: unknown; readonly event?: MicroVMEvent } => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told apart by whoever asked.
  }
  return {};
};
