/**
 * Names of a Firecracker's files. COMPAT: those that upstream has are named as there. All are relative to the VMM's
 * working directory, for a socket's path holds 107 bytes.
 */

/** What the VMM was told, for people and tools; it is configured over its API */
export const CONFIG_FILE = "firecracker.cfg";
/** What its metadata service was given */
export const METADATA_FILE = "metadata.json";
/** Decimal, without a newline */
export const PID_FILE = "firecracker.pid";
export const VMM_LOG_FILE = "firecracker.log";
export const METRICS_FILE = "firecracker.metrics";
/** The guest's console, ttyS0 */
export const CONSOLE_FILE = "firecracker.stdout";
export const STDERR_FILE = "firecracker.stderr";
/** A FIFO that the VMM has open both ways: what is written to it is typed at the console */
export const CONSOLE_INPUT = "firecracker.stdin";
export const API_SOCKET = "firecracker.sock";
export const VSOCK_SOCKET = "guest-agent.vsock";

/** Names by which logs are asked for (adapters/logs), and what they stand for here */
export const LOG_LINKS = { "console.log": CONSOLE_FILE, "vmm.log": VMM_LOG_FILE } as const;
