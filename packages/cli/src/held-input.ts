/**
 * Input that has been sent, but not yet to anybody for sure: a session may still be refused, and its bytes
 * then belong to the console that takes its place.
 */
export interface HeldInput {
  add(bytes: Uint8Array): void;
  /** It has arrived: nothing is held from now on. */
  release(): void;
  readonly bytes: readonly Uint8Array[];
  readonly isReleased: () => boolean;
}

/** A refusal takes milliseconds; more than this is not read in that time. */
const MAX_HELD_BYTES = 1024 * 1024;

export const holdInput = (): HeldInput => {
  const bytes: Uint8Array[] = [];
  let total = 0;
  let isReleased = false;
  const release = () => {
    isReleased = true;
    bytes.length = 0;
  };
  return {
    bytes,
    release,
    isReleased: () => isReleased,
    add: (chunk) => {
      if (isReleased) return;
      total += chunk.length;
      if (total > MAX_HELD_BYTES) release();
      else bytes.push(chunk);
    },
  };
};
