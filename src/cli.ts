import { Command, CommanderError } from "commander";
import { createAct, type Register } from "./commands/act.ts";
import { OrderctlError, systemCode } from "./errors.ts";
import { createTerminal, hasSeenEnough, type World } from "./terminal.ts";
import { readVersion } from "./version.ts";

type Entry = { summary: string; load: () => Promise<Register> };

/** Every subcommand. Only the one that is called is loaded, so that `--version` and `--help` are instant. */
export const commands: Record<string, Entry> = {
  demo: {
    summary: "everything once, on a broker of its own: orders, lag, a trace, the audit",
    load: async () => (await import("./commands/demo.ts")).registerDemo,
  },
  up: {
    summary: "broker if none runs and all services, with a live view; until stopped",
    load: async () => (await import("./commands/up.ts")).registerUp,
  },
  serve: {
    summary: "run services until stopped: order (HTTP), payment, inventory, shipping, notification, gateway",
    load: async () => (await import("./commands/serve.ts")).registerServe,
  },
  collect: {
    summary: "receive spans over OTLP/HTTP and keep them for `orderctl trace`",
    load: async () => (await import("./commands/collect.ts")).registerCollect,
  },
  publish: {
    summary: "store orders: synthetic ones, or those of a file",
    load: async () => (await import("./commands/publish.ts")).registerPublish,
  },
  replay: {
    summary: "read messages again: to copies, through a service, into a file",
    load: async () => (await import("./commands/replay.ts")).registerReplay,
  },
  lag: {
    summary: "how far behind every consumer of a stream is",
    load: async () => (await import("./commands/lag.ts")).registerLag,
  },
  top: {
    summary: "what goes on right now: rates, latency, lag, breakers, processes; until stopped",
    load: async () => (await import("./commands/top.ts")).registerTop,
  },
  trace: {
    summary: "one order's way through the services, and where its time went",
    load: async () => (await import("./commands/trace.ts")).registerTrace,
  },
  audit: {
    summary: "prove from the log that no order was lost, doubled or wrongly charged",
    load: async () => (await import("./commands/audit.ts")).registerAudit,
  },
  dlq: {
    summary: "dead letters: list, show, redrive, purge",
    load: async () => (await import("./commands/dlq.ts")).registerDlq,
  },
  inventory: {
    summary: "set and list what is in stock",
    load: async () => (await import("./commands/inventory.ts")).registerInventory,
  },
  bench: {
    summary: "measure publisher and pipeline beside the bare client, on this machine",
    load: async () => (await import("./commands/bench.ts")).registerBench,
  },
  topology: {
    summary: "the streams and consumers that orderctl uses: what differs, and creating them",
    load: async () => (await import("./commands/topology.ts")).registerTopology,
  },
  status: {
    summary: "is the broker there, who runs services, and where each setting came from",
    load: async () => (await import("./commands/status.ts")).registerStatus,
  },
  completion: {
    summary: "the script that completes orderctl's command lines in bash, zsh or fish",
    load: async () => (await import("./commands/completion.ts")).registerCompletion,
  },
  broker: {
    summary: "a nats-server of your own: install, start, stop, status",
    load: async () => (await import("./commands/broker.ts")).registerBroker,
  },
};

/** Runs one command line and returns its exit code. The one place where errors are caught and shown. */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const json = argv.includes("--json");
  let exitCode = 0;
  try {
    const program = createProgram(world);
    const act = createAct(world, argv, (code) => {
      exitCode = code;
    });
    const called = argv.find((word) => word !== "help" && !word.startsWith("-"));
    for (const [name, { summary, load }] of Object.entries(commands)) {
      const command = program.command(name).description(summary);
      // Completion tells of all of them.
      if (called === name || called === "completion") (await load())(command, act);
    }
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (thrown) {
    const error = errorOf(thrown, world.signal);
    if (error === undefined) return 0;
    if (!isHelp(thrown)) createTerminal(world, { json }).fail(error);
    return error.exitCode;
  }
}

/** Undefined where help or the version was asked for and is shown, and where whoever read the results has seen enough. */
function errorOf(thrown: unknown, signal: AbortSignal): OrderctlError | undefined {
  if (hasSeenEnough(signal)) return undefined;
  if (!(thrown instanceof CommanderError)) return interruptedOr(thrown, signal);
  if (thrown.exitCode === 0) return undefined;
  const message = thrown.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  return new OrderctlError("usage", message, { hint: "add --help for the options" });
}

/** Shown by commander itself, on stderr, where a command is missing. */
const isHelp = (thrown: unknown): boolean =>
  thrown instanceof CommanderError && thrown.code === "commander.help";

function interruptedOr(thrown: unknown, signal: AbortSignal): OrderctlError {
  const isAbort = thrown === signal.reason || (thrown instanceof Error && thrown.name === "AbortError");
  if (!signal.aborted || !isAbort) return OrderctlError.from(thrown);
  return systemCode(signal.reason) === undefined
    ? new OrderctlError("interrupted", "interrupted")
    : new OrderctlError("output", `cannot write the result: ${signal.reason.message}`);
}

function createProgram({ stdout, stderr }: World): Command {
  const program = new Command("orderctl")
    .description("Run, feed and follow event-driven order services on NATS JetStream.")
    .version(readVersion(), "-V, --version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // Told by the one catch, as every other error is.
      outputError: () => {},
    });
  program.addHelpText("after", "\nFirst time here? `orderctl demo` shows everything in under a minute.");
  return program;
}
