/** What an option of `flintlockd` is. The table of them is `options.ts`. */

interface Common {
  /** What it is for, one line; the default is printed after it */
  readonly help: string;
  readonly section: Section;
  /** Stands for the value in the help: `HOST:PORT` */
  readonly placeholder?: string;
  readonly short?: string;
  /** A second name, from earlier releases */
  readonly alias?: string;
  /** Environment variables besides `FLINTLOCKD_<NAME>` */
  readonly env?: readonly string[];
  /** Never printed */
  readonly isSecret?: true;
  /** Left out of the help, as upstream does */
  readonly isHidden?: true;
  /** Accepted so that upstream's units and files work; why setting it changes nothing */
  readonly noEffect?: string;
  /** In words, where it depends on the host */
  readonly defaultText?: string;
}

/** `default` is what the value is when no source sets it; undefined = unset */
export type Option = Common &
  (
    | { readonly kind: "text"; readonly default?: string }
    | { readonly kind: "choice"; readonly values: readonly string[]; readonly default: string }
    | { readonly kind: "switch"; readonly default: boolean }
    | { readonly kind: "number"; readonly min: number; readonly max: number; readonly default?: number }
    /** A Go duration, or seconds; the value is milliseconds */
    | { readonly kind: "duration"; readonly minMs: number; readonly maxMs: number; readonly default: number }
    /** Repeatable; elements are separated by commas in the environment */
    | { readonly kind: "list" }
  );

export type Section = keyof typeof SECTIONS;

export const SECTIONS = {
  api: "Where it listens",
  access: "Who may call",
  machines: "MicroVMs",
  network: "Network",
  images: "Images",
  providers: "Providers of upstream",
  firecracker: "Firecracker",
  observe: "Logs and diagnosis",
  file: "Configuration",
} as const;

export type OptionValue = string | number | boolean | readonly string[];

/** The type of an option's value, from its row in the table. */
export type ValueOf<O extends Option> = O["kind"] extends "switch"
  ? boolean
  : O["kind"] extends "list"
    ? readonly string[]
    : O["kind"] extends "choice"
      ? O extends { readonly values: readonly (infer V)[] }
        ? V
        : never
      : O["kind"] extends "text"
        ? O extends { readonly default: string }
          ? string
          : string | undefined
        : O extends { readonly default: number }
          ? number
          : number | undefined;
