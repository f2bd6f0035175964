/** One run of the CLI, from arguments to exit code. The only place where failures are caught and shown. */
import type { Client } from "@flintlock/client";
import { type Command, CommanderError } from "commander";
import { CliError, codeOf, Interrupted } from "./cli-error.ts";
import { connectDaemon } from "./connect.ts";
import { createContext } from "./context.ts";
import { describeError, renderErrorText } from "./error-text.ts";
import { EXIT, exitCodeOf, exitCodeOfSignal } from "./exit-codes.ts";
import { parseGlobals } from "./globals.ts";
import { createInterrupts } from "./interrupts.ts";
import { type Io, OutputClosed } from "./io.ts";
import { paletteFor } from "./palette.ts";
import { createProgram } from "./program.ts";
import type { Verb } from "./verb.ts";

/** Never throws. */
export const runCli = async (io: Io): Promise<number> => {
  let code: number = EXIT.success;
  const program = createProgram(io, async (verb, command) => {
    code = await perform(io, verb, command);
  });
  try {
    await program.parseAsync([...helpFirst(io.argv)], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(io, error);
    return report(io, error, true);
  }
};

/** `flintlock help X` is `flintlock X --help`, which loads X first. */
const helpFirst = (argv: readonly string[]): readonly string[] =>
  argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;

const usageExit = (io: Io, error: CommanderError): number => {
  if (error.exitCode === 0) return EXIT.success;
  const verb = io.argv.find((argument) => !argument.startsWith("-"));
  const about = error.code === "commander.unknownCommand" || verb === undefined ? "" : `${verb} `;
  if (error.code !== "commander.help") io.stderr.write(`try: flintlock ${about}--help\n`);
  return verb === "run" || verb === "exec" || verb === "shell" ? EXIT.notRun : EXIT.usage;
};

const perform = async (io: Io, verb: Verb, command: Command): Promise<number> => {
  const interrupts = createInterrupts(io);
  let client: Promise<Client> | undefined;
  let wantsColor = true;
  let timer: NodeJS.Timeout | undefined;
  try {
    const globals = parseGlobals(command);
    wantsColor = globals.wantsColor;
    const limit = new AbortController();
    if (globals.timeoutMs !== undefined) {
      const error = new CliError(
        "deadline_exceeded",
        `timed out after --timeout ${command.opts()["timeout"] ?? ""}`,
      );
      timer = setTimeout(() => limit.abort(error), globals.timeoutMs).unref();
    }
    const signal = AbortSignal.any([interrupts.signal, limit.signal]);
    const context = createContext(io, globals, interrupts, signal, () => {
      client = connectDaemon(io, globals, signal);
      return client;
    });
    try {
      return await verb.run(context, command);
    } catch (error) {
      // An aborted call says only that it was aborted; the signal knows why, and a command of ours more.
      const isCall =
        !(error instanceof CliError) && ["canceled", "deadline_exceeded"].includes(codeOf(error));
      throw signal.aborted && isCall ? signal.reason : error;
    }
  } catch (error) {
    const exitCode = report(io, error, wantsColor);
    const isOwn = exitCode === EXIT.timedOut || error instanceof Interrupted || error instanceof OutputClosed;
    return isOwn ? exitCode : (verb.failureCode ?? exitCode);
  } finally {
    clearTimeout(timer);
    interrupts.dispose();
    await client?.then(
      (open) => open.close(),
      () => {},
    );
  }
};

/** Says what failed on stderr, and returns the exit code for it. */
const report = (io: Io, error: unknown, wantsColor: boolean): number => {
  if (error instanceof OutputClosed) return EXIT.outputClosed;
  if (error instanceof Interrupted) {
    io.stderr.write("interrupted\n");
    return exitCodeOfSignal(error.signalName);
  }
  io.stderr.write(renderErrorText(describeError(error), paletteFor(io, io.stderr, wantsColor)));
  const code = codeOf(error);
  return code === "usage" ? EXIT.usage : exitCodeOf(code);
};
