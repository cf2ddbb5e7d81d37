import { Argument, type Command } from "commander";
import type { Register } from "../cli/command-action.ts";
import { bashCompletion, type CompletionNode, fishCompletion } from "./script.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** zsh runs the bash script through `bashcompinit`. */
const scripts: Record<Shell, (nodes: CompletionNode[]) => string> = {
  bash: bashCompletion,
  zsh: (nodes) =>
    `autoload -U +X compinit bashcompinit && compinit && bashcompinit\n${bashCompletion(nodes)}`,
  fish: fishCompletion,
};

const help = `
bash, in ~/.bashrc:   source <(orderctl completion bash)
zsh, in ~/.zshrc:     source <(orderctl completion zsh)
fish, once:           orderctl completion fish > ~/.config/fish/completions/orderctl.fish`;

export const registerCompletion: Register = (command, act) => {
  command
    .addArgument(new Argument(`<${shells.join("|")}>`, "whose script to print").choices(shells))
    .addHelpText("after", help)
    .action(
      act.offline(async ({ terminal }, _options, [shell]) => {
        const nodes = nodesOf(command.parent ?? command, []);
        const script = scripts[shell as Shell](nodes);
        terminal.show("completion", { shell, script }, () => script);
      }),
    );
};

/** A command and, recursively, its subcommands, parents first. */
function nodesOf(command: Command, path: string[]): CompletionNode[] {
  const { commands, registeredArguments, options } = command;
  const node = {
    path,
    commands: commands.map((each) => ({ name: each.name(), summary: each.description() })),
    choices: registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    options: options.flatMap(({ long, short, description, required, argChoices, hidden }) =>
      long && !hidden
        ? [{ long, short, summary: description, takesValue: required, choices: argChoices ?? [] }]
        : [],
    ),
  };
  return [node, ...commands.flatMap((each) => nodesOf(each, [...path, each.name()]))];
}
