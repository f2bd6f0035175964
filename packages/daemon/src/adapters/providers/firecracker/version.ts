/** Firecracker's version and what came with which. See its CHANGELOG.md. */

export interface FirecrackerVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The first whose API takes all that we send */
export const OLDEST: FirecrackerVersion = { major: 1, minor: 10, patch: 0 };
/** `--enable-pci` */
export const FIRST_WITH_PCI: FirecrackerVersion = { major: 1, minor: 13, patch: 0 };

/** From the first line of `firecracker --version`, such as `Firecracker v1.16.1`. */
export const parseVersion = (text: string): FirecrackerVersion | undefined => {
  const match = /^Firecracker v(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:[-+].*)?$/m.exec(text);
  if (match === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return { major, minor, patch };
};

export const isAtLeast = (version: FirecrackerVersion, wanted: FirecrackerVersion): boolean => {
  if (version.major !== wanted.major) return version.major > wanted.major;
  if (version.minor !== wanted.minor) return version.minor > wanted.minor;
  return version.patch >= wanted.patch;
};

export const showVersion = ({ major, minor, patch }: FirecrackerVersion): string =>
  `${major}.${minor}.${patch}`;
