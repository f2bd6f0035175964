/**
 * Who may call and what they may do, wired: rules from configuration and file, authentication by listener, limits, the
 * authorised use cases, and the audit log that hears of all of it.
 */
import {
  audited,
  authorized,
  type Caller,
  type FlintlockError,
  type Log,
  NO_QUOTA,
  type Quotas,
  type UseCases,
} from "@flintlock/core";
import { openAccessSource } from "./adapters/api/auth/access-source.ts";
import { type Authenticator, createAuthenticator } from "./adapters/api/auth/authenticator.ts";
import { readCredentialsFile } from "./adapters/api/auth/credentials-file.ts";
import { limitCallers, limitFailures } from "./adapters/api/auth/rate-limits.ts";
import type { CallInfo, Interceptor } from "./adapters/api/interceptor.ts";
import { DEFAULT_LIMITS } from "./adapters/api/limits.ts";
import { readCertificates } from "./adapters/api/listen/certificate-files.ts";
import { type AuditEntry, auditInLog, openAuditFile } from "./adapters/audit/audit-log.ts";
import type { Config } from "./config/config.ts";
import type { DisposeStack } from "./dispose-stack.ts";

export interface Access {
  /** Of a TCP listener; the name is for the audit log */
  authenticator(listener: string): Authenticator;
  readonly interceptors: readonly Interceptor[];
  /** What a caller may do of `all`, each call noted */
  limited(all: UseCases): (caller: Caller, info: CallInfo) => UseCases;
  readonly quotas: Quotas;
  /** Reads the credentials again, and opens the audit log anew; never rejects. */
  reload(): Promise<void>;
}

/** @throws FlintlockError `invalid_spec` – a file that the configuration names cannot be used */
export const checkAccessFiles = async ({ authFile, tls }: AccessConfig): Promise<void> => {
  if (authFile !== undefined) await readCredentialsFile(authFile);
  if (tls !== undefined) await readCertificates(tls, new Date());
};

export type AccessConfig = Pick<
  Config,
  | "tls"
  | "authFile"
  | "basicAuthToken"
  | "auditLog"
  | "grpcEndpoint"
  | "httpEndpoint"
  | "legacyGrpcEndpoint"
  | "legacyHttpEndpoint"
>;

/** @throws FlintlockError `invalid_spec` – the credentials file; `failed_precondition` – the audit log */
export const openAccess = async (config: AccessConfig, log: Log, stack: DisposeStack): Promise<Access> => {
  const { authFile, basicAuthToken, auditLog } = config;
  const authLog = log.child({ component: "auth" });
  const source = stack.add(
    "credentials",
    await openAccessSource({
      authFile,
      basicAuthToken,
      reloadPeriodMs: DEFAULT_LIMITS.reloadPeriodMs,
      log: authLog,
    }),
    async (it) => it.close(),
  );
  const audit = stack.add(
    "audit log",
    auditLog === undefined ? auditInLog(log) : openAuditFile(auditLog, authLog),
    async (it) => it.close(),
  );
  const { rules } = source;
  sayWhoMayCall(config, authLog);

  const limit = limitFailures({ rules });
  const authenticate = createAuthenticator(rules);
  return {
    authenticator: (listener) =>
      limit(authenticate, ({ peer, method }, error) =>
        audit.write({ event: "refused", ...cameBy({ listener, peer }), operation: method, ...endOf(error) }),
      ),
    interceptors: [
      limitCallers({ rules }, (info, error) =>
        audit.write({ event: "refused", ...asked(info), operation: info.method, ...endOf(error) }),
      ),
    ],
    limited: (all) => {
      const known = new WeakMap<Caller, UseCases>();
      return (caller, info) => {
        const own = known.get(caller) ?? authorized(all, caller);
        known.set(caller, own);
        return audited(own, ({ operation, subject, error, isRefusal }) =>
          audit.write({
            event: isRefusal ? "refused" : "operation",
            ...asked(info),
            operation,
            ...subject,
            ...(isRefusal && error !== undefined ? endOf(error) : { code: error?.code ?? "ok" }),
          }),
        );
      };
    },
    quotas: {
      ofNamespace: (namespace) => rules().quotas.get(namespace) ?? NO_QUOTA,
      ofCaller: (name) => rules().limitsOf.get(name)?.quota ?? NO_QUOTA,
    },
    reload: async () => {
      audit.reopen();
      await source.reload();
    },
  };
};

const asked = ({ caller, listener, peer }: CallInfo) => ({
  ...cameBy({ listener, peer }),
  caller: caller.name,
  role: caller.role,
});

const cameBy = ({ listener, peer }: { readonly listener: string; readonly peer: string }) => ({
  listener,
  ...(peer === "" ? {} : { peer }),
});

const MAX_REASON_CHARS = 500;

/** Why something is refused is in words of ours; why it failed otherwise may be in those of the request. */
const endOf = ({ code, cause, message }: FlintlockError): Pick<AuditEntry, "code" | "reason"> => ({
  code,
  reason: (cause instanceof Error ? cause.message : message).slice(0, MAX_REASON_CHARS),
});

/** COMPAT: upstream's words for what is on and what is off. */
const sayWhoMayCall = ({ tls, authFile, basicAuthToken, ...config }: AccessConfig, log: Log): void => {
  const isReachable = [
    config.grpcEndpoint,
    config.httpEndpoint,
    config.legacyGrpcEndpoint,
    config.legacyHttpEndpoint,
  ].some((endpoint) => endpoint !== undefined);
  if (!isReachable) return;
  if (authFile !== undefined || basicAuthToken !== undefined) {
    log.info("basic authentication is enabled");
    return;
  }
  const who =
    tls?.isClientRequired === true
      ? "every client with a certificate of the client CA may do everything"
      : "whoever can connect may do everything";
  log.warn("basic authentication is DISABLED", { meaning: who });
};
