import type { Clock, Machine, Uid } from "@flintlock/core";
import { unixMs } from "@flintlock/core";
import { providerContract } from "../contracts/provider.contract.ts";
import { SimulatedProvider } from "./simulated-provider.ts";

/** Time as it passes: the contract aborts in the middle of a boot. */
const realClock: Clock = {
  now: () => unixMs(Date.now()),
  monotonic: () => performance.now(),
  alarm: (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const giveUp = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      }, ms);
      signal.addEventListener("abort", giveUp, { once: true });
    }),
};

let count = 0;
const machine = (): Machine => ({
  uid: `01HF${String(++count).padStart(22, "0")}` as Uid,
  label: "ns/vm",
  directory: "/nowhere",
  vcpu: 1,
  memoryMib: 128,
  kernelPath: "/nowhere/vmlinuz",
  initrdPath: undefined,
  cmdline: {},
  disks: [],
  interfaces: [],
  ports: [],
  guest: undefined,
});

providerContract(
  "simulated",
  async () => {
    const provider = new SimulatedProvider(realClock);
    provider.script.bootMs = 100;
    return {
      provider: () => provider,
      machine: async () => machine(),
      crash: async ({ uid }) => provider.end(uid, undefined),
      close: async () => undefined,
    };
  },
  { timeoutMs: 5_000, graceMs: 100 },
);
