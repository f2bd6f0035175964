/** Asks every case, in order, of one pair of endpoints. */
import type { JsonValue } from "@bufbuild/protobuf";
import type { Answer, Case, Endpoints, Observation } from "./case.ts";
import { callGrpc } from "./grpc-call.ts";
import { callHttp } from "./http-call.ts";
import { normalised } from "./normalise.ts";

export const runCases = async (
  cases: readonly Case[],
  endpoints: Endpoints,
): Promise<readonly Observation[]> => {
  const uids = new Map<string, string>();
  const observations: Observation[] = [];
  for (const request of cases) {
    const answer = await ask(withUids(request, uids), endpoints);
    const uid = createdUid(answer);
    if (uid !== undefined) uids.set(request.name, uid);
    observations.push({ request, answer: normalised(answer, request.isMoving === true) });
  }
  return observations;
};

const ask = (request: Case, endpoints: Endpoints): Promise<Answer> =>
  request.transport === "grpc" ? callGrpc(endpoints.grpc, request) : callHttp(endpoints.http, request);

const withUids = (request: Case, uids: ReadonlyMap<string, string>): Case =>
  JSON.parse(
    JSON.stringify(request).replace(/\{\{(.*?)\}\}/g, (_all, name: string) => {
      const uid = uids.get(name);
      if (uid === undefined) throw new Error(`${request.name}: '${name}' has created nothing`);
      return uid;
    }),
  );

const createdUid = ({ body }: Answer): string | undefined => {
  const vm = (body as { readonly microvm?: { readonly spec?: { readonly uid?: JsonValue } } } | undefined)
    ?.microvm;
  return typeof vm?.spec?.uid === "string" ? vm.spec.uid : undefined;
};
