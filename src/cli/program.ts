import type { Command } from "commander";
import type { Flow, FlowLog } from "../flow/flow.ts";
import type { Handler } from "../flow/handler.ts";
import type { FlowParts } from "../flow/run-services.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { App } from "./act.ts";

/** Options of a command as commander has parsed them; whoever registered them knows their types. */
export type Flags = Readonly<Record<string, unknown>>;

/** As whom services run, and where their work is reported. */
export type OpenAs = { instance: string; telemetry: Pick<Telemetry, "tracing" | "metrics"> };

/** A flow, and what the commands have to know of it that run it. */
export type FlowProgram = {
  flow: Flow;
  /** What `serve` runs: what answers to others first, then the services that work on the log. */
  runnable: readonly string[];
  /** Adds the flags of its services. */
  withServiceFlags(command: Command): Command;
  openParts(app: App, flags: Flags, as: OpenAs): Promise<FlowParts>;
  companion: Companion;
  /** Adds the flags of what its audit asks beside the log. */
  withAuditFlags(command: Command): Command;
  replay: ReplayProgram;
};

/** A stand-in for what the services depend on: served beside them, or alone, to try things out. */
export type Companion = {
  name: string;
  withFlags(command: Command): Command;
  start(app: App, flags: Flags): Promise<{ stop(deadlineMs: number): Promise<void>; flags: Flags }>;
  /** Where else it tells how it is: it has no metrics of its own. */
  hint: string;
};

/** Services of a flow over what is stored: their handlers change nothing outside this process. */
export type ReplayProgram = {
  services: readonly string[];
  /** Why one cannot be replayed at all, and why what it comes to cannot be stored. */
  refusals: Readonly<Record<string, Refusal>>;
  storeRefusals: Readonly<Record<string, Refusal>>;
  withFlags(command: Command): Command;
  /** By consumer. */
  openHandlers(log: FlowLog, flags: Flags): Promise<Readonly<Record<string, Handler>>>;
  /** Those of its flags that a command line to go on with needs, as they are typed. */
  resumeFlags(service: string | undefined, flags: Flags): [name: string, value: unknown][];
};

export type Refusal = { why: string; hint: string };
