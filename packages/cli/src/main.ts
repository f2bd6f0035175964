/** The `flintlock` program: this process's streams and signals, and nothing else; see `cli.ts`. */
import { runCli } from "./cli.ts";
import { flushed, processIo } from "./io.ts";

const io = processIo();
const code = await runCli(io);
await flushed(io);
// Standard input may still be open, and would keep us waiting for a key.
process.exit(code);
