/** What a guest can be waited for, on the command line: `agent,tcp:80`, and `exec:COMMAND` up to the end of its flag. */
import { usageError } from "./cli-error.ts";

/** For help texts */
export const GUEST_CONDITIONS = "agent | cloud-init | ssh | ip | tcp:PORT | exec:COMMAND";

const CONDITION = /^(?:agent|cloud-init|ssh|ip|tcp:\d+|exec:.*)$/s;

/** Of a flag that may be repeated. @throws CliError `usage` */
export const parseGuestConditions = (flag: string, texts: readonly string[]): readonly string[] => {
  const conditions = texts.flatMap(split);
  const wrong = conditions.find((each) => !CONDITION.test(each));
  if (wrong === undefined) return conditions;
  throw usageError(`${flag} ${wrong}: expected ${GUEST_CONDITIONS}`);
};

/** A command may have commas. */
const split = (text: string): readonly string[] => {
  const at = /(?:^|,)exec:/.exec(text);
  if (at === null) return text.split(",");
  const command = text.slice(at.index).replace(/^,/, "");
  return at.index === 0 ? [command] : [...text.slice(0, at.index).split(","), command];
};
