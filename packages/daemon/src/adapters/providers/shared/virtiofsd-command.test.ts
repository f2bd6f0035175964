import fc from "fast-check";
import { expect, test } from "vitest";
import { dialectOf, virtiofsdArgs } from "./virtiofsd-command.ts";

const RUST = { kind: "rust", canBeReadOnly: true } as const;
const C = { kind: "c", canBeReadOnly: false } as const;
const share = { socket: "virtiofs.0.sock", path: "/srv/a", isReadOnly: false };

test("each program in its own words, sandboxed", () => {
  expect(virtiofsdArgs(share, RUST)).toEqual([
    "--socket-path=virtiofs.0.sock",
    "--shared-dir=/srv/a",
    "--sandbox=namespace",
    "--cache=auto",
    "--announce-submounts",
    "--modcaps=-mknod",
    "--log-level=warn",
  ]);
  expect(virtiofsdArgs({ ...share, isReadOnly: true }, RUST)).toContain("--readonly");
  expect(virtiofsdArgs(share, C)).toEqual([
    "--socket-path=virtiofs.0.sock",
    "-f",
    "-o",
    "source=/srv/a,sandbox=namespace,cache=auto,announce_submounts,modcaps=-mknod",
  ]);
});

test("one that cannot share read-only is not asked to", () => {
  for (const dialect of [C, { ...RUST, canBeReadOnly: false }]) {
    expect(() => virtiofsdArgs({ ...share, isReadOnly: true }, dialect)).toThrow("read-only");
  }
});

test("no path is anything but a path", () => {
  const path = fc
    .array(fc.constantFrom(",", "\\", "=", "/", "a", "sandbox=chroot", "-o"))
    .map((it) => `/${it.join("")}`);
  fc.assert(
    fc.property(path, (path) => {
      const rust = virtiofsdArgs({ ...share, path }, RUST);
      expect(rust.filter((word) => word === `--shared-dir=${path}`)).toHaveLength(1);
      const options = splitOptions(virtiofsdArgs({ ...share, path }, C).at(-1) ?? "");
      expect(options[0]).toBe(`source=${path}`);
      expect(options.slice(1)).toEqual([
        "sandbox=namespace",
        "cache=auto",
        "announce_submounts",
        "modcaps=-mknod",
      ]);
    }),
  );
});

test("a program is known by its help", () => {
  expect(dialectOf("Usage: virtiofsd --shared-dir <SHARED_DIR>\n  --readonly\n")).toEqual(RUST);
  expect(dialectOf("Usage: virtiofsd --shared-dir <SHARED_DIR>\n")).toEqual({
    ...RUST,
    canBeReadOnly: false,
  });
  expect(dialectOf("    -o source=PATH             shared directory tree\n")).toEqual(C);
  expect(dialectOf("GNU coreutils")).toBeUndefined();
});

/** As libfuse does (lib/fuse_opt.c, process_real_option_group). */
const splitOptions = (text: string): readonly string[] => {
  const options = [""];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === ",") options.push("");
    else {
      if (text[at] === "\\" && at + 1 < text.length) at++;
      options.push(`${options.pop()}${text[at]}`);
    }
  }
  return options;
};
