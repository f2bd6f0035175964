/**
 * Branded scalars. Only a parser mints one, so a raw string cannot slip in where a checked one is meant.
 */
declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** ULID: 26 characters, Crockford base32, upper case; sorts by creation time */
export type Uid = Brand<string, "Uid">;
/** Image reference, normalised: `registry/path:tag` or `registry/path@sha256:…` */
export type OciReference = Brand<string, "OciReference">;
/** `sha256:` and 64 lower-case hex digits */
export type Digest = Brand<string, "Digest">;
/** Six octets, lower case, colon separated */
export type MacAddress = Brand<string, "MacAddress">;
/** Milliseconds since the epoch, UTC */
export type UnixMs = Brand<number, "UnixMs">;

export const unixMs = (value: number): UnixMs => value as UnixMs;
