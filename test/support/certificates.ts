/** Certificates of every kind, made with the `openssl` program: Node can read them and not make them. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Pair {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface Wanted {
  /** Also the file's name */
  readonly name: string;
  readonly commonName?: string;
  /** Such as `DNS:localhost,URI:spiffe://a/b`; none when absent */
  readonly san?: string;
  readonly usage?: "serverAuth" | "clientAuth";
  /** `YYYYMMDDHHMMSSZ` */
  readonly from?: string;
  readonly until?: string;
}

export interface Authority {
  readonly caPath: string;
  issue(wanted: Wanted): Promise<Pair>;
}

const newKey = (keyPath: string, subject: string): readonly string[] => [
  ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
  ...["-keyout", keyPath, "-subj", subject],
];

/** A CA with its files in `directory`, which is made. */
export const createAuthority = async (directory: string, name = "Test CA"): Promise<Authority> => {
  await mkdir(directory, { recursive: true });
  const at = (file: string): string => join(directory, file);
  const caPath = at("ca.pem");
  await run("openssl", [
    "req",
    "-x509",
    "-days",
    "2",
    "-out",
    caPath,
    ...newKey(at("ca.key"), `/CN=${name}`),
  ]);
  await writeFile(at("index.txt"), "");
  await writeFile(at("ca.cnf"), CONFIG(directory));
  return {
    caPath,
    issue: async ({ name, commonName, san, usage, from, until }) => {
      const [csr, keyPath, certPath, extPath] = ["csr", "key", "pem", "ext"].map((end) =>
        at(`${name}.${end}`),
      );
      if (!csr || !keyPath || !certPath || !extPath) throw new Error("unreachable");
      await run("openssl", ["req", "-new", "-out", csr, ...newKey(keyPath, `/CN=${commonName ?? name}`)]);
      const extensions = [
        ...(san === undefined ? [] : [`subjectAltName=${san}`]),
        ...(usage === undefined ? [] : [`extendedKeyUsage=${usage}`]),
      ];
      await writeFile(extPath, `${extensions.join("\n")}\n`);
      await run("openssl", [
        ...["ca", "-batch", "-notext", "-config", at("ca.cnf"), "-cert", caPath, "-keyfile", at("ca.key")],
        ...["-in", csr, "-out", certPath, "-extfile", extPath],
        ...["-startdate", from ?? "20200101000000Z", "-enddate", until ?? "20490101000000Z"],
      ]);
      return { certPath, keyPath };
    },
  };
};

/** Signed by nobody but itself. */
export const selfSigned = async (directory: string, name: string): Promise<Pair> => {
  await mkdir(directory, { recursive: true });
  const [certPath, keyPath] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  await run("openssl", ["req", "-x509", "-days", "2", "-out", certPath, ...newKey(keyPath, `/CN=${name}`)]);
  return { certPath, keyPath };
};

const CONFIG = (directory: string): string => `[ca]
default_ca = it
[it]
database = ${directory}/index.txt
new_certs_dir = ${directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = names
[names]
commonName = optional
`;
