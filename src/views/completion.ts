/** A command and what may come after it. */
export type CompletionNode = {
  /** The words that lead to it: `["dlq", "list"]`; empty for `orderctl` itself. */
  path: readonly string[];
  commands: readonly { name: string; summary: string }[];
  /** What its arguments may be. */
  choices: readonly string[];
  options: readonly { name: string; summary: string; takesValue: boolean; choices: readonly string[] }[];
};

/**
 * A script for bash (`complete -F`). It finds the command that the words before the cursor name, and completes its
 * words and options; the value of an option is one of its choices, else a file.
 */
export function bashCompletion(nodes: readonly CompletionNode[]): string {
  const paths = nodes.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
  const cases = nodes.flatMap((node) => [
    `    "${node.path.join(" ")}")`,
    ...valueCases(node),
    `      words="${wordsOf(node).join(" ")}" ;;`,
  ]);
  return `_orderctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${command:+$command }$word" in
      ${paths.join("|")}) command="\${command:+$command }$word" ;;
    esac
  done
  case "$command" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _orderctl orderctl`;
}

/** After an option that takes a value nothing else is completed. */
function valueCases({ options }: CompletionNode): string[] {
  const valued = options.filter(({ takesValue }) => takesValue);
  if (valued.length === 0) return [];
  const chosen = valued
    .filter(({ choices }) => choices.length > 0)
    .map(
      ({ name, choices }) =>
        `        ${name}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$current")); return ;;`,
    );
  const free = valued.filter(({ choices }) => choices.length === 0).map(({ name }) => name);
  const rest = free.length > 0 ? [`        ${free.join("|")}) COMPREPLY=(); return ;;`] : [];
  return ['      case "$before" in', ...chosen, ...rest, "      esac"];
}

const wordsOf = ({ commands, choices, options }: CompletionNode): string[] => [
  ...commands.map(({ name }) => name),
  ...choices,
  ...options.map(({ name }) => name),
  "--help",
];

/** A script for fish, which shows the summaries as well. */
export const fishCompletion = (nodes: readonly CompletionNode[]): string =>
  nodes.flatMap(fishLines).join("\n");

function fishLines({ path, commands, choices, options }: CompletionNode): string[] {
  const typed = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const names = commands.map(({ name }) => name).join(" ");
  const here = (more: string[]) => quoted([...typed, ...more].join("; and ") || "true");
  const leading = here([`not __fish_seen_subcommand_from ${names}`]);
  return [
    ...commands.map(
      ({ name, summary }) => `complete -c orderctl -f -n ${leading} -a ${name} -d ${quoted(summary)}`,
    ),
    ...(choices.length > 0 ? [`complete -c orderctl -f -n ${here([])} -a ${quoted(choices.join(" "))}`] : []),
    ...options.map(({ name, summary, takesValue, choices: values }) => {
      const value = values.length > 0 ? ` -x -a ${quoted(values.join(" "))}` : takesValue ? " -r" : "";
      return `complete -c orderctl -n ${here([])} -l ${name.slice(2)}${value} -d ${quoted(summary)}`;
    }),
  ];
}

const quoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
