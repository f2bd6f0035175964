/** Completion scripts, generated from the command tree: words after each command path, flags when `-` is typed. */
import type { Command } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

interface Node {
  /** Words after `flintlock`; empty for itself */
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly {
    readonly long: string;
    readonly short: string | undefined;
    readonly summary: string;
  }[];
}

export const completionScript = (shell: Shell, root: Command): string => {
  const nodes = nodesOf(root, []);
  if (shell === "fish") return fishScript(nodes);
  return shell === "bash" ? bashScript(nodes) : `#compdef flintlock\n${ZSH_BRIDGE}${bashScript(nodes)}`;
};

const nodesOf = (command: Command, path: readonly string[]): readonly Node[] => [
  {
    path,
    commands: command.commands.map((child) => ({ name: child.name(), summary: child.summary() })),
    flags: [
      ...command.options.map((option) => ({
        long: option.long ?? "",
        short: option.short?.startsWith("--") ? undefined : option.short,
        summary: option.description,
      })),
      { long: "--help", short: "-h", summary: "help" },
    ].filter((flag) => flag.long !== ""),
  },
  ...command.commands.flatMap((child) => nodesOf(child, [...path, child.name()])),
];

const ZSH_BRIDGE = "autoload -U +X bashcompinit && bashcompinit\n";

const bashScript = (nodes: readonly Node[]): string => {
  const cases = nodes.map(({ path, commands, flags }) => {
    const words = commands.map((command) => command.name).join(" ");
    const dashes = flags
      .flatMap((flag) => [flag.long, ...(flag.short === undefined ? [] : [flag.short])])
      .join(" ");
    return `    ${shellQuote(path.join(" "))}) words=${shellQuote(words)}; flags=${shellQuote(dashes)} ;;`;
  });
  const paths = nodes.filter((node) => node.path.length > 0).map((node) => shellQuote(node.path.join(" ")));
  return `_flintlock() {
  local current=\${COMP_WORDS[COMP_CWORD]} path= words= flags= next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${paths.join("|")}) path=$next ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _flintlock flintlock
`;
};

const fishScript = (nodes: readonly Node[]): string => {
  const lines = nodes.flatMap(({ path, commands, flags }) => {
    const condition = path.length === 0 ? "__fish_use_subcommand" : fishCondition(path, commands);
    const start = `complete -c flintlock -n ${shellQuote(condition)}`;
    return [
      ...commands.map(({ name, summary }) => `${start} -f -a ${name} -d ${shellQuote(summary)}`),
      ...flags.map(({ long, short, summary }) => {
        const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
        return `${start} -l ${long.slice(2)}${letter} -d ${shellQuote(summary)}`;
      }),
    ];
  });
  return `${lines.join("\n")}\n`;
};

const fishCondition = (path: readonly string[], commands: Node["commands"]): string => {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const deeper = commands.map((command) => command.name).join(" ");
  return [...seen, ...(deeper === "" ? [] : [`not __fish_seen_subcommand_from ${deeper}`])].join("; and ");
};

const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
