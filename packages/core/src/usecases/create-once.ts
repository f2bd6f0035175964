/** A create that may be sent again: with the same id and the same words, the same caller gets the same microVM. */
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { isUid } from "../domain/names.ts";
import { REQUEST_FIELDS } from "../domain/request-fields.ts";
import { parseForm } from "../domain/text-rules.ts";
import type { IdSource } from "../ports/id-source.ts";
import type { KeptRequest, Repository } from "../records/repository.ts";
import { type KnownRequest, requestKey } from "../records/request-log.ts";

export interface OnceParts {
  readonly repository: Repository;
  readonly ids: IdSource;
}

/**
 * `make` stores the microVM together with the request it is given.
 * @throws FlintlockError `already_exists` – the id was used for something else; `failed_precondition` – what it made is
 *   being deleted, or gone
 */
export const createOnce = async (
  { repository, ids }: OnceParts,
  { input, creator }: { readonly input: CreateInput; readonly creator: string },
  make: (request: KeptRequest | undefined) => Promise<MicroVM>,
): Promise<MicroVM> => {
  const { requestId = "", ...asked } = input;
  if (requestId === "") return make(undefined);
  const key = requestKey(creator, parseForm(requestId, "request_id", REQUEST_FIELDS.request_id));
  const { requests } = repository;
  return requests.inTurn(key, () => {
    const fingerprint = ids.fingerprint(canonical(asked));
    const known = requests.find(key);
    if (known === undefined) return make({ key, fingerprint });
    return repeated(repository, known, { requestId, fingerprint });
  });
};

const repeated = async (
  repository: Repository,
  known: KnownRequest,
  { requestId, fingerprint }: { readonly requestId: string; readonly fingerprint: string },
): Promise<MicroVM> => {
  const detail = { field: "request_id", uid: known.uid };
  const hint = "choose a new request id to make another microVM";
  if (known.fingerprint !== fingerprint) {
    const problem = `request_id: '${requestId}' already exists: it made microvm ${known.uid} from another spec`;
    throw new FlintlockError("already_exists", problem, { detail, hint });
  }
  const vm = isUid(known.uid) ? repository.find(known.uid) : undefined;
  if (vm !== undefined && vm.deletedAt === undefined) return vm;
  const end = vm === undefined ? "was deleted" : "is being deleted";
  const problem = `request_id: microvm ${known.uid}, which '${requestId}' made, ${end}`;
  throw new FlintlockError("failed_precondition", problem, { detail, hint });
};

/** JSON whose keys are in one order: maps come in any. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
