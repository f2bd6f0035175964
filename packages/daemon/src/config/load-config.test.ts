import { expect, test } from "vitest";
import { load } from "./testing/load.ts";

const USER_FILE = "/home/you/.config/flintlockd/config.yaml";

test("a flag wins over the environment, the environment over the file, the file over the default", () => {
  const files = { [USER_FILE]: "resync-period: 3m\nmaximum-retry: 3\nverbosity: 3\n" };
  const env = { FLINTLOCKD_RESYNC_PERIOD: "2m", FLINTLOCKD_MAXIMUM_RETRY: "2" };
  const { config, settings } = load({ args: ["--resync-period", "1m"], env, files });
  expect(config).toMatchObject({ resyncMs: 60_000, maxRetry: 2, logLevel: "debug", deleteGraceMs: 10_000 });
  expect(
    ["resync-period", "maximum-retry", "verbosity", "insecure"].map((name) =>
      settings.source(name as "insecure"),
    ),
  ).toEqual(["flag", "env", "file", "default"]);
});

test("without anything set, upstream's defaults hold where they can", () => {
  expect(load({}).config).toMatchObject({
    socketPath: "/home/you/.local/state/flintlock/flintlockd.sock",
    stateDir: "/home/you/.local/share/flintlock",
    grpcEndpoint: undefined,
    httpEndpoint: undefined,
    resyncMs: 600_000,
    deleteGraceMs: 10_000,
    maxRetry: 10,
    defaultProvider: "auto",
    logLevel: "info",
    logFormat: "text",
    logOutput: { kind: "stderr" },
    hasApi: true,
    hasReconciler: true,
    debugEndpoint: undefined,
    configFile: undefined,
  });
  expect(load({ uid: 0 }).config).toMatchObject({
    socketPath: "/run/flintlock/flintlockd.sock",
    stateDir: "/var/lib/flintlock",
  });
});

test("both spellings of a variable are heard, an empty one is not, and two that differ are refused", () => {
  expect(load({ env: { "FLINTLOCKD_LOG-FORMAT": "json" } }).config.logFormat).toBe("json");
  expect(load({ env: { FLINTLOCKD_LOG_FORMAT: "json" } }).config.logFormat).toBe("json");
  expect(load({ env: { FLINTLOCKD_LOG_FORMAT: "", FLINTLOCKD_INSECURE: "1" } }).config).toMatchObject({
    logFormat: "text",
    isInsecure: true,
  });
  const both = { "FLINTLOCKD_LOG-FORMAT": "json", FLINTLOCKD_LOG_FORMAT: "text" };
  expect(() => load({ env: both })).toThrow(
    "FLINTLOCKD_LOG-FORMAT: says something else than FLINTLOCKD_LOG_FORMAT: keep one",
  );
  expect(load({ env: { FLINTLOCKD_LISTEN: "x" } }).config.notices).toContainEqual({
    level: "warn",
    option: "FLINTLOCKD_LISTEN",
    text: "sets no option",
  });
});

test.each([
  ["0", "info"],
  ["1", "info"],
  ["2", "debug"],
  ["8", "debug"],
  ["9", "trace"],
])("verbosity %s is the level %s", (verbosity, level) => {
  expect(load({ args: ["-v", verbosity] }).config.logLevel).toBe(level);
});

test("of a level and a verbosity the one of the stronger source counts", () => {
  const files = { [USER_FILE]: "log-level: error\n" };
  expect(load({ args: ["-v9"], files }).config.logLevel).toBe("trace");
  expect(load({ args: ["-v9", "--log-level", "warn"] }).config.logLevel).toBe("warn");
});

test("what has no effect yet is said, and only when it is set", () => {
  expect(load({}).config.notices.map(({ option }) => option)).toEqual(["grpc-endpoint"]);
  const args = ["--insecure", "--cloudhypervisor-detach=false", "--firecracker-detach=false"];
  const options = load({ args, env: { FLINTLOCKD_CONTAINERD_NS: "x" } }).config.notices;
  expect(options.map(({ option }) => option)).toEqual([
    "insecure",
    "containerd-ns",
    "firecracker-detach",
    "cloudhypervisor-detach",
  ]);
  expect(options[1]?.text).toMatch(/^has no effect: /);
});

test("programs by another name are tried only where nobody has named one; shared roots are absolute", () => {
  expect(load({}).config).toMatchObject({
    cloudHypervisorBinaries: ["cloud-hypervisor-static", "cloud-hypervisor"],
    virtiofsBinaries: ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"],
    virtiofsRoots: [],
  });
  const args = [
    "--cloudhypervisor-bin",
    "/opt/ch",
    "--virtiofs-root",
    "/srv/a",
    "--virtiofs-root",
    "/srv/b/",
  ];
  expect(load({ args }).config).toMatchObject({
    cloudHypervisorBinaries: ["/opt/ch"],
    virtiofsRoots: ["/srv/a", "/srv/b"],
  });
});

test("any provider may be the default, whether or not it works here; a name that nobody knows may not", () => {
  for (const name of ["auto", "firecracker", "cloudhypervisor", "qemu", "simulated"]) {
    expect(load({ args: ["--default-provider", name] }).config.defaultProvider).toBe(name);
  }
  expect(() => load({ args: ["--default-provider", "xen"] })).toThrow(
    expect.objectContaining({
      code: "invalid_spec",
      message: expect.stringContaining('"xen" is not one of auto, qemu, firecracker'),
      hint: "--default-provider auto, or leave it out",
    }),
  );
});

test("the debug endpoint is for this machine only, and a trace collector is a URL", () => {
  expect(load({ args: ["--debug-endpoint", "127.0.0.1:0"] }).config.debugEndpoint).toBe("127.0.0.1:0");
  expect(() => load({ args: ["--debug-endpoint", ":10500"] })).toThrow("can be reached from other machines");
  expect(load({ args: ["--otlp-endpoint", "http://localhost:4318"] }).config.otlpEndpoint).toBe(
    "http://localhost:4318",
  );
  expect(() => load({ args: ["--otlp-endpoint", "localhost:4318"] })).toThrow("is not an http or https URL");
});

test("a token comes from a file without its line end, and never from two places", () => {
  const files = { "/run/token": "s3cret\n", "/run/two": "a\nb\n", "/run/empty": "\n" };
  const fromFile = (path: string) =>
    load({ args: ["--basic-auth-token-file", path], files }).config.basicAuthToken;
  expect(fromFile("/run/token")).toBe("s3cret");
  expect(() => fromFile("/run/two")).toThrow("/run/two must hold one line, the token");
  expect(() => fromFile("/run/empty")).toThrow("/run/empty must hold one line, the token");
  expect(() => fromFile("/run/none")).toThrow("file /run/none does not exist");
  const both = ["--basic-auth-token-file", "/run/token", "--basic-auth-token", "x"];
  expect(() => load({ args: both, files })).toThrow("--basic-auth-token is given as well: keep one");
});

test("a secret on the command line, and one in a file that all may read, are warned of", () => {
  const warned = (given: Parameters<typeof load>[0]) =>
    load(given).config.notices.find(({ option }) => option === "basic-auth-token")?.text;
  expect(warned({ args: ["--basic-auth-token", "x"] })).toContain("use --basic-auth-token-file");
  const text = "basic-auth-token: x\n";
  expect(warned({ files: { [USER_FILE]: text } })).toBeUndefined();
  expect(warned({ files: { [USER_FILE]: { kind: "text", text, mode: 0o100644 } } })).toContain("chmod 600");
});

test("Firecracker is set up by its options; its jail has a place and users of its own", () => {
  expect(load({}).config.firecracker).toEqual({
    binary: "firecracker",
    pci: "auto",
    metadataVersion: "V1",
    metadataLimitBytes: 51_200,
    jail: undefined,
  });
  const args = ["--state-dir", "/s", "--firecracker-jailer", "/j", "--firecracker-mmds-version", "v2"];
  expect(load({ args: [...args, "--firecracker-jail-uids", "5000-5009"] }).config.firecracker).toMatchObject({
    metadataVersion: "V2",
    jail: {
      binary: "/j",
      baseDir: "/s/jails",
      userIds: { first: 5000, count: 10 },
      cgroupVersion: "2",
      networkNamespace: undefined,
    },
  });
  for (const range of ["", "5000", "9-1", "0-10", "5000-99999999999", "5010-5000"]) {
    expect(() => load({ args: [...args, "--firecracker-jail-uids", range] })).toThrow(
      "is not a range of ids",
    );
  }
});
