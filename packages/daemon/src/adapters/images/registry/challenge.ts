/** `WWW-Authenticate` (RFC 9110, 11.6.1): which schemes a registry takes, and with what parameters. */
export interface Challenge {
  /** Lower case */
  readonly scheme: string;
  /** Keys in lower case */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8 * 1024;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const SEPARATORS = /[\s,]*/y;
const EQUALS = /\s*=\s*/y;

/** Never throws: what cannot be read ends the list, since half a challenge is none. */
export const parseChallenges = (header: string): readonly Challenge[] => {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const text = header.slice(0, MAX_HEADER);
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  while (at < text.length) {
    take(SEPARATORS);
    const word = take(TOKEN)?.[0];
    if (word === undefined) break;
    if (take(EQUALS) === null) {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      continue;
    }
    const quoted = take(QUOTED);
    const value = quoted === null ? take(TOKEN)?.[0] : (quoted[1] ?? "").replace(/\\(.)/gs, "$1");
    const challenge = challenges.at(-1);
    if (value === undefined || challenge === undefined) break;
    challenge.parameters.set(word.toLowerCase(), value);
  }
  return challenges;
};
