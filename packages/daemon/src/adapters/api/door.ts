/** Where a listener's calls come in: who asks is proved, and everything that runs around a call runs. */
import type { PeerCertificate } from "node:tls";
import type { Caller, UseCases } from "@flintlock/core";
import { status } from "@grpc/grpc-js";
import type { Authenticator } from "./auth/authenticator.ts";
import type { CallInfo, Interceptor, Outcome } from "./interceptor.ts";
import { type RequestMetadata, ResponseMetadata } from "./metadata.ts";
import type { OpenCalls } from "./open-calls.ts";
import type { Call } from "./service.ts";

export interface Arrival {
  /** `/package.Service/Method` */
  readonly method: string;
  readonly transport: CallInfo["transport"];
  readonly peer: string;
  readonly metadata: RequestMetadata;
  readonly certificate: PeerCertificate | undefined;
}

/** One call, from its arrival to its end. */
export interface Entered {
  /** @throws FlintlockError – the caller could not be proved, or may not call now */
  call(): Call;
  /** Ends the call's waits with `reason`; after `end` nothing. */
  abort(reason: Error): void;
  /** The call is over; repeating it does nothing. */
  end(outcome: Outcome): void;
}

export interface Door {
  enter(arrival: Arrival): Entered;
}

export interface DoorOptions {
  /** The listener's, for logs */
  readonly name: string;
  readonly authenticate: Authenticator;
  readonly interceptors: readonly Interceptor[];
  readonly useCases: (caller: Caller, info: CallInfo) => UseCases;
  readonly calls: OpenCalls;
}

export const OK: Outcome = { code: status.OK, message: "" };

export const createDoor = ({ name, authenticate, interceptors, useCases, calls }: DoorOptions): Door => ({
  enter: ({ method, transport, peer, metadata, certificate }) => {
    const open = calls.start();
    const endings: ((outcome: Outcome) => void)[] = [];
    return {
      call: () => {
        const authorization = metadata.get("authorization");
        const caller = authenticate({ method, peer, authorization, certificate });
        const info: CallInfo = { method, transport, listener: name, peer, caller, metadata };
        for (const intercept of interceptors) {
          const ending = intercept(info);
          if (ending !== undefined) endings.push(ending);
        }
        const reply = new ResponseMetadata();
        return { signal: open.signal, caller, useCases: useCases(caller, info), metadata, reply };
      },
      abort: open.abort,
      end: (outcome) => {
        open.end();
        for (const ending of endings.splice(0)) ending(outcome);
      },
    };
  },
});
