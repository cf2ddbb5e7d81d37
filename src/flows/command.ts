import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { App, Register } from "../cli/command-action.ts";
import type { FlowProgram } from "../cli/flow-program.ts";
import { withConnection, withJson } from "../cli/options.ts";
import { OrderctlError } from "../core/errors.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { flowGraph, graphMermaid, graphText } from "./flow-graph.ts";
import type { Init } from "./init-flow.ts";

export const registerFlow: Register = (command, act) => {
  withJson(
    command
      .command("init")
      .description("write a flow to begin with: events, module, test, configuration")
      .argument("<name>", "small letters, digits and '-': claims")
      .addOption(
        new Option("--payload <form>", "how events are written").choices(["proto", "json"]).default("proto"),
      ),
  ).action(act.offline(init));
  withConnection(
    command
      .command("show")
      .description(
        "which event follows from which, and who does it; asks a broker only for a flow that is not here",
      )
      .option("--mermaid", "as a flowchart of Mermaid")
      .addOption(
        new Option(
          "--asyncapi",
          "as a document of AsyncAPI 3.0 (JSON), with the broker that --server names",
        ).conflicts("mermaid"),
      ),
  ).action(act.offline(show));
  withConnection(
    command
      .command("types")
      .description("the TypeScript of the events, from the .proto files")
      .option("-o, --out <file>", "write it there"),
  ).action(act.offline(types));
  registerCheck(command.command("check")).action(act.offline(check));
};

const registerCheck = (command: Command): Command =>
  withConnection(
    command
      .description("what is wrong with the flow, and what breaks for the events that the broker has")
      .option("--offline", "ask no broker", false),
  ).addHelpText("after", "\nExit code: 1 where something breaks.");

type ShowFlags = { mermaid?: true; asyncapi?: true; server?: string };

async function show({ terminal, flow, program }: App, flags: ShowFlags): Promise<void> {
  const { mermaid, asyncapi, server } = flags;
  if (!asyncapi) return terminal.show("flow", flowGraph(flow), mermaid ? graphMermaid : graphText);
  const { asyncApiOf } = await import("./asyncapi.ts");
  const document = await asyncApiOf(ownFlow(program, "describe").compiled, server);
  terminal.show("asyncapi", document, (data) => JSON.stringify(data, undefined, 2));
}

async function types({ terminal, program }: App, { out }: { out?: string }): Promise<void> {
  const { flowTypes } = await import("./flow-types.ts");
  const text = flowTypes(ownFlow(program, "write types of").compiled);
  if (out === undefined) return terminal.show("flow-types", { text }, () => text.trimEnd());
  await writeFile(out, text);
  terminal.note(`written: ${out}`);
}

async function check(app: App, { offline }: { offline: boolean }): Promise<number> {
  const { program, terminal, config, signal } = app;
  const { compiled, isOfBroker } = ownFlow(program, "check");
  if (isOfBroker)
    throw new OrderctlError("usage", "only the broker has this flow: there is nothing to compare it with", {
      hint: "--flow ./claims.ts names its module",
    });
  const [{ checkFlow }, { checkText }] = await Promise.all([
    import("./check-flow.ts"),
    import("./check-view.ts"),
  ]);
  const result = await checkFlow(compiled, { offline, config, signal });
  terminal.show("flow-check", result, checkText);
  return result.findings.some(({ level }) => level === "breaks") ? 1 : 0;
}

function ownFlow({ own }: FlowProgram, what: string): { compiled: CompiledFlow; isOfBroker: boolean } {
  if (own) return own;
  throw new OrderctlError("usage", `this is to ${what} a flow of your own, not the built-in one`, {
    hint: "--flow ./claims.ts names your own",
  });
}

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
