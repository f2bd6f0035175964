/** Which file belongs to which command of the tree, and that it is loaded once. */
import type { Command } from "commander";

type Loader = () => Promise<void>;

const loaders = new WeakMap<Command, Loader>();

export const setLoader = (command: Command, load: Loader): void => {
  let loading: Promise<void> | undefined;
  loaders.set(command, () => {
    loading ??= load();
    return loading;
  });
};

/** Gives `command` its flags and its action. Idempotent. */
export const loadCommand = async (command: Command): Promise<void> => {
  await loaders.get(command)?.();
};

/** The whole tree below `command`, for those who want to see it all. */
export const loadTree = async (command: Command): Promise<void> => {
  await loadCommand(command);
  for (const child of command.commands) await loadTree(child);
};
