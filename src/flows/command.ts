import { writeFile } from "node:fs/promises";
import { Option } from "commander";
import type { App, Register } from "../cli/command-action.ts";
import { withJson } from "../cli/options.ts";
import { OrderctlError } from "../core/errors.ts";
import { flowGraph, graphMermaid, graphText } from "./flow-graph.ts";
import type { Init } from "./init-flow.ts";

export const registerFlow: Register = (command, act, program) => {
  withJson(
    command
      .command("init")
      .description("write a flow to begin with: events, module, test, configuration")
      .argument("<name>", "small letters, digits and '-': claims")
      .addOption(
        new Option("--payload <form>", "how events are written").choices(["proto", "json"]).default("proto"),
      ),
  ).action(act.offline(init));
  withJson(
    command
      .command("show")
      .description("which event follows from which, and who does it")
      .option("--mermaid", "as a flowchart of Mermaid"),
  ).action(
    act.offline(async ({ terminal, flow }, { mermaid }: { mermaid?: true }) => {
      terminal.show("flow", flowGraph(flow), mermaid ? graphMermaid : graphText);
    }),
  );
  command
    .command("types")
    .description("the TypeScript of the events, from the .proto files")
    .option("-o, --out <file>", "write it there")
    .action(
      act.offline(async ({ terminal }, { out }: { out?: string }) => {
        if (!program.types)
          throw new OrderctlError("usage", "the built-in flow has no types to write", {
            hint: "--flow ./claims.ts names your own",
          });
        const text = await program.types();
        if (out === undefined) return terminal.show("flow-types", { text }, () => text.trimEnd());
        await writeFile(out, text);
        terminal.note(`written: ${out}`);
      }),
    );
};

type InitFlags = Pick<Init, "payload">;

async function init({ terminal }: App, { payload }: InitFlags, [name = ""]: string[]): Promise<void> {
  const { initFlow } = await import("./init-flow.ts");
  const files = await initFlow({ folder: process.cwd(), name, payload });
  terminal.show("flow-init", { name, files }, () =>
    [
      ...files.map((file) => `written: ${file}`),
      "",
      "Look at it: orderctl flow show",
      "Run it:     orderctl up",
      "Feed it:    orderctl publish opened --count 10 --wait",
      "Test it:    npm test",
    ].join("\n"),
  );
}
