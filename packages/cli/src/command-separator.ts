/**
 * `run [IMAGE] [-- CMD…]`: commander drops a `--`, and with it the difference between `run web` and
 * `run -- web`. This marks the first one before commander sees it.
 */
import type { Command } from "commander";
import type { RunTarget } from "./vm-flags.ts";

const MARK = "\0--";

export const keepSeparator = (command: Command): void => {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (args) => {
    const at = args.indexOf("--");
    return parse(at < 0 ? args : args.with(at, MARK));
  };
};

/** From commander's operands. A `--` after the image and a command belongs to that command. */
export const runTarget = (operands: readonly string[]): RunTarget => {
  const [first, second] = operands;
  if (first === MARK) return { image: undefined, command: operands.slice(1) };
  if (second === MARK) return { image: first, command: operands.slice(2) };
  return { image: first, command: operands.slice(1).map((word) => (word === MARK ? "--" : word)) };
};
