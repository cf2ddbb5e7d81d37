import type { Command } from "commander";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import type { Handler } from "../flow/handler.ts";
import type { FlowParts } from "../flow/run-services.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { App, Register } from "./command-action.ts";

/** Options of a command as commander has parsed them; the code that registered them knows their types. */
export type Flags = Readonly<Record<string, unknown>>;

/** Under which name services run, and where their work is reported. */
export type OpenAs = {
  instance: string;
  telemetry: Pick<Telemetry, "tracing" | "metrics">;
  /** Which of the flow's services run; none in a process that only archives. */
  services: readonly string[];
};

/** A flow, and what the commands that run it need to know about it. */
export type FlowProgram = {
  flow: Flow;
  /**
   * What `serve` can run: first the service that answers requests of others, then the services that work on the log.
   */
  runnable: readonly string[];
  /** What a service is called on the broker, in events and dead letters, by the name with which users start it. */
  serviceOf(name: string): string;
  /** Deliveries in flight per worker, as the help tells it. */
  concurrency: number;
  /** Adds the flags of the flow's services. */
  withServiceFlags(command: Command): Command;
  openParts(app: App, flags: Flags, as: OpenAs): Promise<FlowParts>;
  companion?: Companion;
  /** Adds the flags for what the flow's audit reads besides the log. */
  withAuditFlags(command: Command): Command;
  replay: ReplayProgram;
  /** Of a flow of the user's own: its definition, from its module or, where that is not here, from the broker. */
  own?: { compiled: CompiledFlow; isOfBroker: boolean };
  /** The `publish` command. */
  loadPublish(): Promise<Register>;
};

/**
 * A simulation of a system that the services depend on, such as the payment gateway, run beside them or alone for
 * trying things out.
 */
export type Companion = {
  name: string;
  withFlags(command: Command): Command;
  start(app: App, flags: Flags): Promise<{ stop(deadlineMs: number): Promise<void>; flags: Flags }>;
  /** Says where else its state can be seen, since it has no metrics of its own. */
  hint: string;
};

/** How to run services of a flow on stored messages again: their handlers change nothing outside this process. */
export type ReplayProgram = {
  services: readonly string[];
  /**
   * By service: why it cannot be replayed at all (`refusals`), and why its results cannot be stored (`storeRefusals`).
   */
  refusals: Readonly<Record<string, Refusal>>;
  storeRefusals: Readonly<Record<string, Refusal>>;
  withFlags(command: Command): Command;
  /** The handlers by consumer. */
  openHandlers(log: FlowLog, flags: Flags): Promise<Readonly<Record<string, Handler>>>;
  /** The flags that a command line for resuming the replay needs, as they are typed. */
  resumeFlags(service: string | undefined, flags: Flags): [name: string, value: unknown][];
};

export type Refusal = { why: string; hint: string };
