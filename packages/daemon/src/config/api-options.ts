/** Options of the API: where it listens, and who may call. */
import type { Option } from "./option.ts";

export const API_OPTIONS = {
  socket: {
    kind: "text",
    section: "api",
    placeholder: "PATH",
    help: "Unix socket for gRPC and HTTP, for its owner only",
    defaultText: "/run/flintlock/flintlockd.sock as root, else below $XDG_RUNTIME_DIR or ~/.local/state",
  },
  "grpc-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    default: "localhost:9090",
    help: "gRPC on TCP, with TLS or --insecure; empty is off",
  },
  "enable-http": {
    kind: "switch",
    section: "api",
    default: false,
    help: "HTTP on TCP; naming --http-endpoint does it too",
  },
  "http-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    default: "localhost:8090",
    help: "where HTTP listens, with TLS or --insecure",
  },
  "legacy-grpc-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    help: "gRPC of the first published API (v0.1.0-alpha.1 and 2)",
  },
  "legacy-http-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    help: "HTTP of the first published API",
  },
  "enable-exec-api": {
    kind: "switch",
    section: "api",
    default: false,
    help: "the service MicroVMExec: run commands in guests",
  },
  "enable-ssh-proxy-api": {
    kind: "switch",
    section: "api",
    default: false,
    help: "the service MicroVMSSHProxy: reach the guests' SSH server",
  },
  "disable-api": {
    kind: "switch",
    section: "api",
    isHidden: true,
    default: false,
    help: "look after the microVMs and listen nowhere",
  },

  insecure: {
    kind: "switch",
    section: "access",
    default: false,
    help: "TCP endpoints without TLS: whoever can reach them can read what is sent",
  },
  "tls-cert": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "certificate chain of the TCP endpoints, PEM",
  },
  "tls-key": { kind: "text", section: "access", placeholder: "PATH", help: "its private key, PEM" },
  "tls-client-validate": {
    kind: "switch",
    section: "access",
    default: false,
    help: "refuse clients without a certificate of --tls-client-ca",
  },
  "tls-client-ca": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "authorities that sign clients' certificates, PEM",
  },
  "auth-file": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "tokens, certificates, roles and quotas, YAML",
  },
  "basic-auth-token": {
    kind: "text",
    section: "access",
    placeholder: "TOKEN",
    isSecret: true,
    help: "token that TCP callers must send; better kept in a file, as command lines are for all to read",
  },
  "basic-auth-token-file": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "file with that token",
  },
  "audit-log": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "one line of JSON for all that is changed or refused; without it, the ordinary log",
  },
} as const satisfies Readonly<Record<string, Option>>;
