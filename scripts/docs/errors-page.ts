/** docs/errors.md, made of the tables that the core, the API and the CLI go by. */
import { status } from "@grpc/grpc-js";
import { exitCodeOf } from "../../packages/cli/src/exit-codes.ts";
import { ERROR_CODES, type ErrorCode, MAX_VIOLATIONS } from "../../packages/core/src/index.ts";
import { MEANINGS } from "../../packages/daemon/src/adapters/api/errors.ts";
import { httpStatusOf } from "../../packages/daemon/src/adapters/api/http/responses.ts";
import { code, table } from "./markdown.ts";

export const errorsPage = (): string => `# Errors

Made by \`npm run docs\` from the tables in \`packages/core/src/domain/errors.ts\`, \`packages/daemon/src/adapters/api/errors.ts\` and
\`packages/cli/src/exit-codes.ts\`.

Programs match on the code: it is \`ErrorInfo.reason\`, with domain \`flintlock\`, in the status's details (gRPC:
\`grpc-status-details-bin\`; HTTP: \`details\` of the body). Messages are for people and change. \`ErrorInfo.metadata\` has the limits
and names that matter, and \`hint\`: what to do next.

${table(
  ["Code", "Meaning", "gRPC", "HTTP", "CLI's exit code", "Trying again unchanged"],
  (Object.keys(ERROR_CODES) as ErrorCode[]).map((name) => {
    const { status: grpc, retryMs } = MEANINGS[name];
    return [
      code(name),
      ERROR_CODES[name],
      `${grpc} ${status[grpc]}`,
      String(httpStatusOf({ code: grpc, message: "", details: [] })),
      String(exitCodeOf(name)),
      retryMs === undefined ? "does not help by itself" : `may help after ${retryMs} ms (\`RetryInfo\`)`,
    ];
  }),
)}

A request that breaks rules of [fields.md](fields.md) is refused with all of them, up to ${MAX_VIOLATIONS}: one
\`google.rpc.BadRequest.field_violations\` each, with the field's path in wire names and what would be right. The message starts with
upstream's words, "validation failures found", when there are several.

Kept words of upstream, for clients that look at messages: "not found", "already exists", "isn't available", "not supported by the
microvm provider", "MicroVMSpec required", "invalid request". Upstream answers most of these with code 2 UNKNOWN; ours are the ones
above.
`;
