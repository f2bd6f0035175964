/** The two programs called virtiofsd: the one in Rust, and QEMU's older one in C (Debian 12: /usr/lib/qemu/virtiofsd). */
import { FlintlockError } from "@flintlock/core";
import { outputOf } from "./programs.ts";

export interface Dialect {
  readonly kind: "rust" | "c";
  readonly canBeReadOnly: boolean;
}

export interface Share {
  /** Relative to its working directory */
  readonly socket: string;
  /** Absolute, a directory */
  readonly path: string;
  readonly isReadOnly: boolean;
}

/**
 * The sandbox is a mount namespace in which there is nothing but the directory, as for root; the seccomp filter is on by
 * itself. Nobody in it makes device files: on the host they would be real ones.
 */
export const virtiofsdArgs = ({ socket, path, isReadOnly }: Share, dialect: Dialect): readonly string[] => {
  if (isReadOnly && !dialect.canBeReadOnly) {
    throw new FlintlockError("unsupported", "virtiofs: this host's virtiofsd cannot share read-only", {
      hint: "Install virtiofsd 1.11 or newer, the one in Rust, and name it with --virtiofs-bin.",
    });
  }
  if (dialect.kind === "c") {
    const options = `source=${escaped(path)},sandbox=namespace,cache=auto,announce_submounts,modcaps=-mknod`;
    return [`--socket-path=${socket}`, "-f", "-o", options];
  }
  return [
    `--socket-path=${socket}`,
    `--shared-dir=${path}`,
    ...[
      "--sandbox=namespace",
      "--cache=auto",
      "--announce-submounts",
      "--modcaps=-mknod",
      "--log-level=warn",
    ],
    ...(isReadOnly ? ["--readonly"] : []),
  ];
};

/** libfuse takes a character behind a backslash for itself (lib/fuse_opt.c). */
const escaped = (path: string): string => path.replaceAll(/[\\,]/g, (character) => `\\${character}`);

/** From the answer to `--help`, on whichever stream; undefined for any other program. */
export const dialectOf = (help: string): Dialect | undefined => {
  if (/--shared-dir\b/.test(help)) return { kind: "rust", canBeReadOnly: /--readonly\b/.test(help) };
  if (/-o source=PATH/.test(help)) return { kind: "c", canBeReadOnly: false };
  return undefined;
};

/** @throws FlintlockError `unsupported` – it cannot be run, or is something else */
export const askDialect = async (binary: string, signal: AbortSignal): Promise<Dialect> => {
  const { stdout, stderr } = await outputOf(binary, ["--help"], signal).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new FlintlockError("unsupported", `virtiofsd (${binary}) cannot be run`, { cause });
  });
  const dialect = dialectOf(`${stdout}\n${stderr}`);
  if (dialect === undefined) throw new FlintlockError("unsupported", `${binary} is no virtiofsd`);
  return dialect;
};
