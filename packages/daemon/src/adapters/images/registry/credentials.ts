/** What a registry is shown: a name and a password, or a refresh token (`identitytoken`) for its token service. */
export type Credentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "identity-token"; readonly token: string };

export type FindCredentials = (registry: string, signal: AbortSignal) => Promise<Credentials | undefined>;

export const basicAuthorization = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
