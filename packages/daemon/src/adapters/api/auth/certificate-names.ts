/** The names in a client's verified certificate. */
import type { PeerCertificate } from "node:tls";
import type { CertificateIdentity } from "./access-rules.ts";

type Kind = CertificateIdentity["match"]["kind"];

export interface CertificateName {
  readonly kind: Kind;
  readonly value: string;
}

/** Empty when the certificate names nothing that an identity could be tied to. */
export const certificateNames = ({
  subject,
  subjectaltname,
}: PeerCertificate): readonly CertificateName[] => {
  // A subject with several common names is an array, whatever the types say: none of them is *the* name
  const commonName: unknown = subject?.CN;
  const names: CertificateName[] = [];
  if (typeof commonName === "string" && commonName !== "")
    names.push({ kind: "common_name", value: commonName });
  for (const [type, value] of alternativeNames(subjectaltname ?? "")) {
    if (type === "DNS") names.push({ kind: "dns", value });
    if (type === "URI") names.push({ kind: "uri", value });
  }
  return names;
};

/**
 * Node writes `TYPE:value, TYPE:value`, and a value with a comma or quote in it as a JSON string, so that no name can
 * pretend to be two. Anything that does not read so yields no name at all.
 */
const alternativeNames = (text: string): readonly (readonly [string, string])[] => {
  const names: [string, string][] = [];
  const part = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  while (part.lastIndex < text.length) {
    const [, type = "", raw = ""] = part.exec(text) ?? [];
    if (type === "") return [];
    const value = raw.startsWith('"') ? unquoted(raw) : raw;
    if (value === undefined) return [];
    names.push([type, value]);
  }
  return names;
};

const unquoted = (json: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : undefined;
  } catch {
    // Not one of Node's: no name
    return undefined;
  }
};

const MAX_NAME_CHARS = 128;

/** What a certificate's holder is called where no identity gives a name: printable and bounded. */
export const holderOf = (certificate: PeerCertificate): string => {
  const [first] = certificateNames(certificate);
  const name = first?.value ?? certificate.fingerprint256;
  return `certificate:${name.replace(/[^\x21-\x7e]/g, "_").slice(0, MAX_NAME_CHARS)}`;
};
