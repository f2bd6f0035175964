/** The release, as `package.json` has it; a test holds the two together. */
export const VERSION = "0.1.0";

declare const FLINTLOCK_COMMIT: string | undefined;
declare const FLINTLOCK_BUILD_DATE: string | undefined;

/** COMPAT: what upstream says when nobody set its build variables. */
const UNKNOWN = "undefined";

/** Set by the build */
export const COMMIT = typeof FLINTLOCK_COMMIT === "string" ? FLINTLOCK_COMMIT : UNKNOWN;
export const BUILD_DATE = typeof FLINTLOCK_BUILD_DATE === "string" ? FLINTLOCK_BUILD_DATE : UNKNOWN;

/** COMPAT: upstream's three forms. */
export const versionText = (form: "line" | "short" | "long"): string => {
  switch (form) {
    case "line":
      return `flintlock ${VERSION}\n`;
    case "short":
      return `${VERSION}\n`;
    case "long":
      return `flintlock\n  Version:    ${VERSION}\n  CommitHash: ${COMMIT}\n  BuildDate:  ${BUILD_DATE}\n`;
  }
};
