/** `flintlock.v1.MicroVMs`: what v1alpha1 lacks. */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { ext } from "@flintlock/api";
import { invalidField, notFound, pageOf, parseGrace } from "@flintlock/core";
import { createInputOf, extensionInputOf } from "../convert/create-input.ts";
import { extendedListRequest } from "../convert/list-request.ts";
import { encodedExtended, encodedExtendedList } from "../convert/record-cache.ts";
import { requestIdOf } from "../convert/request-id.ts";
import { wireStats } from "../convert/stats.ts";
import { updateInputOf, wireUpdated } from "../convert/update.ts";
import { type BoundService, bindService } from "../service.ts";
import { attachHandler } from "./attach.ts";
import { consoleHandler } from "./console.ts";
import { copyInHandler, copyOutHandler } from "./copy.ts";
import { execHandler } from "./exec.ts";
import { forwardHandler } from "./forward.ts";
import { targetOf } from "./target.ts";
import { conditionOf, refuseHopeless } from "./wait-condition.ts";

export const microvmsService = (): BoundService =>
  bindService(ext.MicroVMs, {
    create: async (request, { metadata, useCases: { microvms } }) => {
      if (request.microvm === undefined) throw invalidField("microvm", "is required");
      const input = createInputOf(request.microvm, extensionInputOf(request));
      const requestId = requestIdOf(request.requestId, metadata);
      return encodedExtended(await microvms.create({ ...input, requestId }));
    },
    get: async (request, { useCases: { microvms } }) =>
      encodedExtended(await microvms.get(targetOf(request))),
    list: async (request, { useCases: { microvms } }) => {
      const { filter, page } = extendedListRequest(request);
      return encodedExtendedList(pageOf(await microvms.list(filter), page));
    },
    delete: async (request, { useCases: { microvms } }) => {
      await microvms.delete(targetOf(request));
      return create(EmptySchema);
    },
    update: async (request, { useCases: { microvms } }) =>
      wireUpdated(await microvms.update(targetOf(request), updateInputOf(request), request.dryRun)),
    start: async (request, { useCases: { microvms } }) =>
      encodedExtended(await microvms.start(targetOf(request))),
    stop: async (request, { useCases: { microvms } }) =>
      encodedExtended(await microvms.stop(targetOf(request), graceOf(request))),
    restart: async (request, { useCases: { microvms } }) =>
      encodedExtended(await microvms.restart(targetOf(request), graceOf(request))),
    pause: async (request, { useCases: { microvms } }) =>
      encodedExtended(await microvms.pause(targetOf(request))),
    resume: async (request, { useCases: { microvms } }) =>
      encodedExtended(await microvms.resume(targetOf(request))),
    wait: async function* (request, { signal, useCases: { microvms } }) {
      const isMet = conditionOf(request.condition);
      const target = targetOf(request);
      for await (const vm of microvms.watch(target, signal)) {
        if (vm !== undefined) yield encodedExtended(vm);
        if (isMet(vm)) return;
        refuseHopeless(request.condition, vm);
        if (vm === undefined) throw notFound(`microVM ${target.target}`);
      }
    },
    probe: async function* (request, { signal, useCases: { microvms } }) {
      const { conditions, timeoutSeconds } = request;
      const reports = microvms.probe(targetOf(request), { conditions, timeoutSeconds }, signal);
      for await (const { condition, isMet, seen } of reports) {
        yield create(ext.ProbeResponseSchema, { condition, met: isMet, seen });
      }
    },
    logs: async function* (request, { signal, useCases: { microvms } }) {
      for await (const { source, bytes: data } of microvms.logs(targetOf(request), request, signal)) {
        yield create(ext.LogsResponseSchema, { data, source });
      }
    },
    stats: async (request, { signal, useCases: { microvms } }) =>
      wireStats(await microvms.stats(targetOf(request), signal)),
    attach: attachHandler,
    exec: execHandler,
    forward: forwardHandler,
    copyOut: copyOutHandler,
    copyIn: copyInHandler,
    console: consoleHandler,
  });

/** In ms; undefined = the daemon's. */
const graceOf = ({ graceSeconds, force }: ext.StopRequest | ext.RestartRequest): number | undefined =>
  parseGrace(graceSeconds, force);
