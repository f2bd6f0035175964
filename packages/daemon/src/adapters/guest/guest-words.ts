/** A guest's words, fit for a line of a terminal: nothing in them controls it, and there are not too many. */
export const oneLine = (text: string, maxLength: number): string =>
  text
    .replace(/\p{C}+/gu, " ")
    .trim()
    .slice(0, maxLength);
