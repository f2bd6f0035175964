/** The one line that a daemon leaves on standard error when it cannot go on. */
import { type FlintlockError, toFlintlockError } from "@flintlock/core";

const MAX_LENGTH = 2_000;

/** `flintlockd: what failed: why; what to do`, without line breaks. */
export const lastWords = (thrown: unknown, part?: string): string => {
  const error = thrown instanceof AggregateError ? (thrown.errors[0] ?? thrown) : thrown;
  const known = toFlintlockError(error);
  const hint = known.hint === undefined ? "" : `; ${known.hint}`;
  const where = part === undefined ? "" : `${part}: `;
  return `flintlockd: ${oneLine(`${where}${known.message}${causes(known)}${hint}`)}\n`;
};

/** What the host said, innermost last, without what is said already. */
const causes = (error: FlintlockError): string => {
  let text = "";
  for (
    let cause = error.cause, depth = 0;
    cause instanceof Error && depth < 4;
    cause = cause.cause, depth++
  ) {
    if (!error.message.includes(cause.message) && !text.includes(cause.message)) text += `: ${cause.message}`;
  }
  return text;
};

const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, " ").slice(0, MAX_LENGTH);
