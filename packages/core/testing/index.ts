/** Fakes and the simulator: part of the product, so that others can test their own orchestration without a VM. */
export * from "./fakes/fake-cloud-init.ts";
export * from "./fakes/fake-host.ts";
export * from "./fakes/fake-probe.ts";
export * from "./fakes/lone-microvm.ts";
export * from "./fakes/manual-clock.ts";
export * from "./fakes/memory-store.ts";
export * from "./fakes/no-change.ts";
export * from "./fakes/recorded-telemetry.ts";
export * from "./fakes/seq-ids.ts";
export * from "./fakes/simulated-provider.ts";
export * from "./fakes/world.ts";
