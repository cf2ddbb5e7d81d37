/** A command and what may follow it on the command line. */
export type CompletionNode = {
  /** The words of the command: `["dlq", "list"]`; empty for `orderctl` itself. */
  path: readonly string[];
  commands: readonly { name: string; summary: string }[];
  /** The values that its arguments may take. */
  choices: readonly string[];
  options: readonly CompletionOption[];
};

/** An option with its long form `--file` and, if it has one, its short form `-f`. */
type CompletionOption = {
  long: string;
  short: string | undefined;
  summary: string;
  takesValue: boolean;
  choices: readonly string[];
};

/**
 * A script for bash (`complete -F`). It finds the command named by the words before the cursor and completes its
 * subcommands and options; an option's value is completed from its choices, else as a file name. bash splits a word at
 * `=`.
 */
export function bashCompletion(nodes: readonly CompletionNode[]): string {
  const paths = pathsOf(nodes).map((path) => `"${path}"`);
  const cases = nodes.flatMap((node) => [
    `    "${node.path.join(" ")}")`,
    ...valueCases(node),
    `      offered="${wordsOf(node).join(" ")}" ;;`,
  ]);
  return `_orderctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="" offered="" word
  [ "$current" = "=" ] && current=""
  [ "$before" = "=" ] && before="\${COMP_WORDS[COMP_CWORD-2]}"
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case "\${command:+$command }$word" in
      ${paths.join("|")}) command="\${command:+$command }$word" ;;
    esac
  done
  case "$command" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$offered" -- "$current"))
}
complete -o default -F _orderctl orderctl`;
}

/** After an option that takes a value, only that value is completed. */
function valueCases({ options }: CompletionNode): string[] {
  const valued = options.filter(({ takesValue }) => takesValue);
  if (valued.length === 0) return [];
  const chosen = valued
    .filter(({ choices }) => choices.length > 0)
    .map(
      ({ choices, ...option }) =>
        `        ${flagsOf(option)}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current")); return ;;`,
    );
  const free = valued.filter(({ choices }) => choices.length === 0).map(flagsOf);
  const rest = free.length > 0 ? [`        ${free.join("|")}) COMPREPLY=(); return ;;`] : [];
  return ['      case "$before" in', ...chosen, ...rest, "      esac"];
}

const flagsOf = ({ long, short }: Pick<CompletionOption, "long" | "short">): string =>
  short === undefined ? long : `${long}|${short}`;

const wordsOf = ({ commands, choices, options }: CompletionNode): string[] => [
  ...commands.map(({ name }) => name),
  ...choices,
  ...options.map(({ long }) => long),
  "--help",
];

/** A script for fish, which also shows the summaries. The completions depend on the whole command before the cursor. */
export const fishCompletion = (nodes: readonly CompletionNode[]): string => `function __orderctl_at
  set -l command
  set -l typed (commandline -opc)
  set -e typed[1]
  for word in $typed
    set -l longer (string join ' ' -- $command $word)
    contains -- $longer ${pathsOf(nodes).map(quoted).join(" ")}; and set command $longer
  end
  test "$command" = "$argv"
end
${nodes.flatMap(fishLines).join("\n")}`;

function fishLines({ path, commands, choices, options }: CompletionNode): string[] {
  const complete = (...words: string[]) =>
    ["complete -c orderctl -n", quoted(["__orderctl_at", ...path].join(" ")), ...words].join(" ");
  return [
    ...commands.map(({ name, summary }) => complete("-f -a", name, "-d", quoted(summary))),
    ...(choices.length > 0 ? [complete("-f -a", quoted(choices.join(" ")))] : []),
    ...options.map(({ long, short, summary, takesValue, choices: values }) => {
      const value = values.length > 0 ? ["-x -a", quoted(values.join(" "))] : takesValue ? ["-r"] : [];
      const flags = [`-l ${long.slice(2)}`, ...(short === undefined ? [] : [`-s ${short.slice(1)}`])];
      return complete(...flags, ...value, "-d", quoted(summary));
    }),
  ];
}

const pathsOf = (nodes: readonly CompletionNode[]): string[] =>
  nodes.filter(({ path }) => path.length > 0).map(({ path }) => path.join(" "));

const quoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
