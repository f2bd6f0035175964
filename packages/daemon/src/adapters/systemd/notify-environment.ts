/** The environment that systemd gives a service to answer with. */

export interface Addressee {
  /** Path, or `@name` of the abstract namespace */
  readonly socket: string;
  readonly path: string;
  /** Undefined when nobody watches */
  readonly watchdogUsec: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PATH = "/usr/bin:/bin";
const MIN_PERIOD_MS = 100;

/** Undefined when nobody wants to hear of us. */
export const addressee = (env: Environment, pid: number): Addressee | undefined => {
  const socket = env["NOTIFY_SOCKET"];
  // Other kinds, such as vsock:, are for a system's boot.
  if (socket === undefined || !/^[/@]./.test(socket)) return undefined;
  return { socket, path: env["PATH"] ?? DEFAULT_PATH, watchdogUsec: watchdogUsec(env, pid) };
};

/** COMPAT: sd_watchdog_enabled(3): a pid that is not ours means another process. */
const watchdogUsec = (env: Environment, pid: number): number | undefined => {
  const text = env["WATCHDOG_USEC"] ?? "";
  const isOurs = [undefined, "", String(pid)].includes(env["WATCHDOG_PID"]);
  return isOurs && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
};

/** A third of what systemd allows, so that one message may be lost. */
export const watchdogPeriodMs = (usec: number | undefined): number | undefined =>
  usec === undefined ? undefined : Math.max(MIN_PERIOD_MS, Math.floor(usec / 3000));

/** What is ours alone must not reach our children: a VMM has nothing to tell systemd. */
export const forgetNotifyEnvironment = (env: Record<string, string | undefined>): void => {
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
};
