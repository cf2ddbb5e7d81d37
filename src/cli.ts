import { Command, CommanderError } from "commander";
import { createAct, type Register } from "./cli/command-action.ts";
import type { FlowProgram } from "./cli/flow-program.ts";
import { hintText } from "./cli/hints.ts";
import { OrderctlError } from "./core/errors.ts";
import { readVersion } from "./core/version.ts";
import { untilAborted } from "./core/waiting.ts";
import { type BuiltIn, findProgram, flowFlag } from "./flows/find-program.ts";
import { readerGone, watchOutput } from "./terminal/output.ts";
import { createTerminal, type World } from "./terminal/terminal.ts";

type Entry = { summary: string; load: (program: FlowProgram) => Promise<Register> };

/** Those that work on the built-in flow alone, or on none. */
const ofNoFlow: ReadonlySet<string> = new Set(["demo", "inventory", "bench", "broker", "collect"]);

/** Every subcommand. Only the one that is called is loaded, so that `--version` and `--help` are instant. */
export const commands: Record<string, Entry> = {
  demo: {
    summary: "everything once, on a broker of its own: orders, lag, a trace, the audit",
    load: async () => (await import("./orders/demo/command.ts")).registerDemo,
  },
  up: {
    summary: "broker if none runs and all services, with a live view; until stopped",
    load: async () => (await import("./up/command.ts")).registerUp,
  },
  serve: {
    summary: "run services until stopped: order (HTTP), payment, inventory, shipping, notification, gateway",
    load: async () => (await import("./serve/command.ts")).registerServe,
  },
  collect: {
    summary: "receive spans over OTLP/HTTP and keep them for `orderctl trace`",
    load: async () => (await import("./collector/command.ts")).registerCollect,
  },
  publish: {
    summary: "store orders: synthetic ones, or those of a file; or first events of your own flow",
    load: async ({ loadPublish }) => loadPublish(),
  },
  replay: {
    summary: "read messages again: to copies, through a service, into a file",
    load: async () => (await import("./replay/command.ts")).registerReplay,
  },
  lag: {
    summary: "how far behind every consumer of a stream is",
    load: async () => (await import("./lag/command.ts")).registerLag,
  },
  top: {
    summary: "what goes on right now: rates, latency, lag, breakers, processes; until stopped",
    load: async () => (await import("./top/command.ts")).registerTop,
  },
  trace: {
    summary: "one order's way through the services, and where its time went",
    load: async () => (await import("./trace/command.ts")).registerTrace,
  },
  audit: {
    summary: "prove from the log that no order was lost, doubled or wrongly charged",
    load: async () => (await import("./audit/command.ts")).registerAudit,
  },
  archive: {
    summary: "the oldest part of the log, out of the broker: list, show, verify, restore, prune",
    load: async () => (await import("./archive/command.ts")).registerArchive,
  },
  dlq: {
    summary: "dead letters: list, show, redrive, purge; remove-event",
    load: async () => (await import("./dead-letters/command.ts")).registerDlq,
  },
  inventory: {
    summary: "set and list what is in stock",
    load: async () => (await import("./orders/stock/command.ts")).registerInventory,
  },
  bench: {
    summary: "measure publisher and pipeline beside the bare client, on this machine",
    load: async () => (await import("./orders/bench/command.ts")).registerBench,
  },
  flow: {
    summary: "flows of your own events and services: init, show, types, check",
    load: async () => (await import("./flows/command.ts")).registerFlow,
  },
  topology: {
    summary: "the streams and consumers that orderctl uses: what differs, and creating them",
    load: async () => (await import("./topology/command.ts")).registerTopology,
  },
  status: {
    summary: "is the broker there, who runs services, and where each setting came from",
    load: async () => (await import("./status/command.ts")).registerStatus,
  },
  completion: {
    summary: "the script that completes orderctl's command lines in bash, zsh or fish",
    load: async () => (await import("./completion/command.ts")).registerCompletion,
  },
  broker: {
    summary: "a nats-server of your own: install, start, stop, status",
    load: async () => (await import("./broker/command.ts")).registerBroker,
  },
};

/** How long `run` waits for a command to end after its results could not be written. */
const longestEndMs = 20_000;

/**
 * Runs one command line and returns its exit code, once its results are written. All errors are caught and shown here.
 * A result that cannot be written aborts the command.
 */
export async function run(argv: readonly string[], outside: World): Promise<number> {
  const output = watchOutput(outside);
  const world = { ...outside, signal: AbortSignal.any([outside.signal, output.signal]) };
  const ended = await untilAborted(attempt(argv, world), output.signal, longestEndMs);
  const { exitCode, error } = ended ?? { exitCode: 0 };
  const end = await output.ended();
  if (!end) return tell(world, argv, { exitCode, error });
  // Show the command's own error as well, unless it only follows from the failed write.
  const isOwn = error !== undefined && error.code !== "interrupted" && error.code !== "output";
  const own = { exitCode, error: isOwn || outside.signal.aborted ? error : undefined };
  const code = tell(world, argv, own);
  return end === readerGone ? code : tell(world, argv, { exitCode, error: end });
}

function tell(world: World, argv: readonly string[], { exitCode, error }: Ended): number {
  if (!error) return exitCode;
  createTerminal(world, { json: argv.includes("--json") }).fail(error, hintText(error.hint));
  return error.exitCode;
}

type Ended = { exitCode: number; error?: OrderctlError | undefined };

async function attempt(argv: readonly string[], world: World): Promise<Ended> {
  let exitCode = 0;
  try {
    const program = createProgram(world);
    const setExitCode = (code: number) => {
      exitCode = code;
    };
    const called = commandIn(argv);
    const programs = programsOf(argv, world);
    for (const [name, { summary, load }] of Object.entries(commands)) {
      const command = program.command(name).description(summary);
      // The completion script needs the options of every command.
      if (called === name || called === "completion") {
        const ofCommand = await programFor(name, programs);
        const act = createAct(world, { program: ofCommand, argv, setExitCode });
        (await load(ofCommand))(command, act, ofCommand);
      }
    }
    await program.parseAsync([...argv], { from: "user" });
    return { exitCode };
  } catch (thrown) {
    const error = errorOf(thrown, world.signal);
    // If the subcommand is missing, commander has already shown its help on stderr.
    return error && isHelp(thrown) ? { exitCode: error.exitCode } : { exitCode: 0, error };
  }
}

function commandIn(argv: readonly string[]): string | undefined {
  const isWord = (word: string, index: number) =>
    word !== "help" && !word.startsWith("-") && argv[index - 1] !== flowFlag;
  return argv.find(isWord);
}

type Programs = { builtIn(): Promise<FlowProgram>; found(): Promise<FlowProgram> };

/** Loaded when a command asks for one, and once. */
function programsOf(argv: readonly string[], { env, signal }: World): Programs {
  const builtIn: BuiltIn = async (variant) => (await import("./orders/program.ts")).programOf(variant);
  let finding: Promise<FlowProgram> | undefined;
  return {
    builtIn,
    found() {
      finding ??= findProgram({ argv, env, cwd: process.cwd(), signal }, builtIn);
      return finding;
    },
  };
}

const programFor = (command: string, { builtIn, found }: Programs): Promise<FlowProgram> =>
  ofNoFlow.has(command) ? builtIn() : found();

/** Undefined if the user asked for the help or the version, which commander has already shown. */
function errorOf(thrown: unknown, signal: AbortSignal): OrderctlError | undefined {
  if (!(thrown instanceof CommanderError)) return interruptedOr(thrown, signal);
  if (thrown.exitCode === 0) return undefined;
  const message = thrown.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  return new OrderctlError("usage", message, { hint: "add --help for the options" });
}

const isHelp = (thrown: unknown): boolean =>
  thrown instanceof CommanderError && thrown.code === "commander.help";

function interruptedOr(thrown: unknown, signal: AbortSignal): OrderctlError {
  const isAbort = thrown === signal.reason || (thrown instanceof Error && thrown.name === "AbortError");
  return signal.aborted && isAbort
    ? new OrderctlError("interrupted", "interrupted")
    : OrderctlError.from(thrown);
}

function createProgram({ stdout, stderr }: World): Command {
  const program = new Command("orderctl")
    .description("Run, feed and follow event-driven order services on NATS JetStream.")
    .version(readVersion(), "-V, --version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // `run` shows commander's errors as it shows all others.
      outputError: () => {},
    });
  program.option(
    `${flowFlag} <module>`,
    "your own flow: ./claims.ts, its name in orderctl.config, or on the broker (env ORDERCTL_FLOW)",
  );
  program.addHelpText("after", "\nFirst time here? `orderctl demo` shows everything in under a minute.");
  return program;
}
