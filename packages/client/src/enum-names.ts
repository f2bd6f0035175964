/** An enum of the wire as words in lower case, both ways. */
export interface EnumWords<Word extends string> {
  /** Undefined for a number that this client does not know: the daemon is newer */
  wordOf(number: number): Word | undefined;
  /** Undefined for what is no word of it */
  numberOf(word: string): number | undefined;
}

export const enumWords = <Names extends Readonly<Record<string, number>>>(
  names: Names,
): EnumWords<Lowercase<keyof Names & string>> => {
  const byWord = new Map(Object.entries(names).map(([name, number]) => [name.toLowerCase(), number]));
  const byNumber = new Map(
    [...byWord].map(([word, number]) => [number, word as Lowercase<keyof Names & string>]),
  );
  return { wordOf: (number) => byNumber.get(number), numberOf: (word) => byWord.get(word) };
};
