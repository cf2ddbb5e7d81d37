import type { Note } from "../core/note.ts";
import type { Flow, FlowEvent, FlowLog } from "./flow.ts";
import type { Handler } from "./handler.ts";
import type { FlowParts } from "./run-services.ts";

/** An event as tests give and get it. */
export type ToldEvent = { kind: string; key: string; data: object };

export type OpenParts = {
  env: NodeJS.ProcessEnv;
  /** Aborts when the services are to stop. */
  signal: AbortSignal;
  note: Note;
  /** By their names on the broker. */
  services: readonly string[];
  /** Given by a test: then nothing is opened, or closed. */
  deps?: unknown;
  /** How long a breaker of a user's handler stays open before one event is tried. */
  breakerOpenMs?: number;
};

/** A flow as `orderctl/testing` runs it. */
export type TestableFlow = {
  flow: Flow;
  /** By the names with which users start them. */
  services: readonly string[];
  /** What a service is called on the broker. */
  serviceOf(name: string): string;
  openParts(options: OpenParts): Promise<FlowParts>;
  /** The handler of a user's own for a kind of events. Throws `usage` where there is none. */
  handlerOf(service: string, kind: string, working: { log: FlowLog; deps: unknown }): Handler;
  /** Throws `bad_message` for data without a key. */
  eventOf(kind: string, data: object): FlowEvent;
  toldOf(event: FlowEvent): ToldEvent;
  /** A key as it stands in subjects. */
  tokenOf(key: string): string;
};
