/** The agent's `stats`: JSON from a guest, taken apart number by number (docs/guest-protocol.md, "Stats"). */
import { isIP } from "node:net";
import {
  FlintlockError,
  type GuestSessions,
  type GuestSpace,
  type GuestStats,
  type GuestTraffic,
  type ReportedInterface,
} from "@flintlock/core";
import { ask, broken } from "./agent.ts";

const MAX_INTERFACES = 32;
const MAX_ADDRESSES = 16;
/** Linux's IFNAMSIZ, without the NUL */
const MAX_NAME_LENGTH = 15;
const MAX_LOAD = 1_000_000;

/** Owns `stream`. */
export const stats: GuestSessions["stats"] = async (stream, signal) => {
  const onAbort = (): void => void stream[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return parseStats(await ask(stream, "stats"));
  } catch (error) {
    const isUnknown = error instanceof FlintlockError && error.code === "failed_precondition";
    throw isUnknown
      ? new FlintlockError("unsupported", "the guest agent tells no numbers", { cause: error })
      : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};

/** @throws FlintlockError `unavailable` – the guest's answer is not what the protocol says */
export const parseStats = (text: string): GuestStats => {
  const root = objectOf(jsonOf(text), "the answer");
  const cpu = objectOf(root["cpu"], "cpu");
  const [one, five, fifteen] = listOf(root["load"], "load", 3);
  return {
    uptimeMs: count(root, "uptime_ms"),
    load: [loadOf(one), loadOf(five), loadOf(fifteen)],
    cpu: {
      count: count(cpu, "count"),
      busyMs: count(cpu, "busy_ms"),
      idleMs: count(cpu, "idle_ms"),
      stealMs: count(cpu, "steal_ms"),
    },
    memory: spaceOf(root["memory"], "memory"),
    disk: spaceOf(root["disk"], "disk"),
    processes: count(root, "processes"),
    interfaces: listOf(root["interfaces"], "interfaces", MAX_INTERFACES).map(interfaceOf),
  };
};

type Json = Readonly<Record<string, unknown>>;

const interfaceOf = (value: unknown): ReportedInterface => {
  const item = objectOf(value, "interfaces");
  const { name, mac = "", up } = item;
  if (typeof name !== "string" || !/^[!-~]+$/.test(name) || name.length > MAX_NAME_LENGTH)
    throw bad("interfaces.name");
  if (typeof mac !== "string" || !/^(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5})?$/.test(mac))
    throw bad("interfaces.mac");
  return {
    name,
    mac,
    isUp: up === true,
    addresses: listOf(item["addresses"], "interfaces.addresses", MAX_ADDRESSES).map(addressOf),
    received: trafficOf(item, "rx"),
    sent: trafficOf(item, "tx"),
  };
};

const addressOf = (value: unknown): string => {
  const [, address = "", length = ""] =
    typeof value === "string" ? (/^([0-9a-f.:]{2,45})\/(\d{1,3})$/.exec(value) ?? []) : [];
  const family = isIP(address);
  if (family === 0 || Number(length) > (family === 4 ? 32 : 128)) throw bad("interfaces.addresses");
  return `${address}/${Number(length)}`;
};

const trafficOf = (item: Json, way: "rx" | "tx"): GuestTraffic => ({
  bytes: count(item, `${way}_bytes`),
  packets: count(item, `${way}_packets`),
  errors: count(item, `${way}_errors`),
  dropped: count(item, `${way}_dropped`),
});

const spaceOf = (value: unknown, field: string): GuestSpace => {
  const space = objectOf(value, field);
  return { totalBytes: count(space, "total_bytes"), availableBytes: count(space, "available_bytes") };
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw bad("the answer");
  }
};

const objectOf = (value: unknown, field: string): Json => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw bad(field);
};

const listOf = (value: unknown, field: string, max: number): readonly unknown[] => {
  if (Array.isArray(value) && value.length <= max) return value;
  throw bad(field);
};

const count = (item: Json, key: string): number => {
  const value = item[key];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw bad(key);
};

const loadOf = (value: unknown): number => {
  if (typeof value === "number" && value >= 0 && value <= MAX_LOAD) return value;
  throw bad("load");
};

const bad = (field: string): FlintlockError => broken(`the guest's numbers are not readable at ${field}`);
