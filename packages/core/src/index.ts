/** For adapters and the composition root. */
export type * from "./domain/create-input.ts";
export * from "./domain/errors.ts";
export type * from "./domain/guest-config.ts";
export * from "./domain/image.ts";
export * from "./domain/microvm.ts";
export * from "./domain/units.ts";
export type * from "./ports/clock.ts";
export type * from "./ports/id-source.ts";
export type * from "./ports/image-loader.ts";
export type * from "./ports/image-store.ts";
export * from "./ports/log.ts";
export type * from "./ports/network-manager.ts";
export type * from "./ports/provider.ts";
export type * from "./ports/state-store.ts";
export type * from "./ports/vm-directory.ts";
export type * from "./ports/volume-store.ts";
export type * from "./usecases/api.ts";
