/** What every feature may use. */
const feature = ["cli", "core", "flow", "jetstream", "telemetry", "terminal"];

/**
 * Who may import whom: a row for each folder of `src`, and for each file beside them. A name with a slash is one file
 * or folder of a part. A part's own files go without saying. No row but that of `cli` may name `orders`, and those of
 * `index` and `testing`, for modules that replace some of it: all others are handed a flow.
 */
export const rows: Record<string, string[]> = {
  main: ["cli"],
  // The command tree loads a command, and the flow that it works on, when it is called.
  cli: [
    "core",
    "terminal",
    "flow",
    "jetstream",
    "telemetry",
    "broker/background-broker",
    "archive/open-archived-log",
    "orders/program",
    "flows/find-program",
  ],

  core: [],
  terminal: ["core"],
  jetstream: ["core"],
  telemetry: ["core"],
  flow: ["core", "jetstream", "telemetry"],

  // The built-in flow, and what only makes sense of orders: their stock, gateway, API, files, demo and benchmark.
  orders: [...feature, "archive", "audit", "broker", "lag", "publish", "serve", "trace"],

  flows: [...feature, "archive", "broker", "dead-letters", "publish"],
  // A module may export the built-in flow with a handler replaced.
  index: ["flow/define", "orders/events", "orders/replace-handler"],
  testing: ["flow", "flows", "orders/testable-orders"],

  archive: feature,
  audit: [...feature, "archive", "dead-letters"],
  broker: ["cli", "core", "jetstream", "terminal"],
  collector: feature,
  completion: ["cli"],
  "dead-letters": feature,
  lag: feature,
  publish: feature,
  replay: feature,
  serve: [...feature, "archive"],
  status: feature,
  top: [...feature, "lag"],
  topology: [...feature, "collector/traces-stream"],
  trace: [...feature, "collector/read-trace"],
  up: [...feature, "broker", "collector", "lag", "serve"],
};

/** What each is about. */
export const roles: Record<string, string> = {
  main: "the real world: streams, signals, the exit",
  cli: "`cli.ts` is the command tree, which also loads every `command.ts`, and the one catch; `cli/` what commands are made of: settings, flags, connecting, stopping",
  core: "errors, waiting, units, locks, listening: no more than everybody needs",
  terminal: "the only code that writes: terminal, tables, colour, log",
  jetstream:
    "connection, publisher, worker, streams, dead letters; imports `nats` (so does the benchmark's bare client), knows no flow",
  telemetry: "hop header, spans, metrics, health, OTLP; alone imports OpenTelemetry, knows no flow",
  flow: "defining and running a flow: its table, one event's processing, one key's state and timeline",
  orders:
    "the built-in flow: table, wire format, files, services, gateway, stock, order API, demo, benchmark",
  flows: "flows of one's own: finding and loading their modules, publishing their events",
  index:
    '`index.ts` is the library: what `import … from "orderctl"` gives a module that defines a flow, or replaces a handler of the built-in one',
  testing: "`testing.ts` is `orderctl/testing`: what a test of a flow imports",
  audit: "every promise, checked over the log",
  archive:
    "the oldest part of the log, moved out of the broker: segments, their manifest, reading, verifying, restoring them",
  broker: "a nats-server of one's own: find, fetch, start, stop",
  collector: "receives spans over OTLP/HTTP, keeps them in the stream `TRACES`, reads them back",
  completion: "completes command lines in bash, zsh and fish",
  "dead-letters": "what was given up on: list, show, redrive, purge; false events",
  lag: "how far behind every consumer is, and why",
  publish: "events into the log at a pace, and following their keys to the end",
  replay: "the log once more: to a prefix, through a service, into a file",
  serve: "services as long-lived workers",
  status: "the broker, the processes, where each setting came from",
  top: "what goes on right now",
  topology: "streams and consumers: what differs, and creating them",
  trace: "one key's log and spans merged into one picture",
  up: "broker, services and live view in one process",
};

/** One folder per vendor; the benchmark compares with the bare client. */
export const vendors: Record<string, string[]> = {
  nats: ["jetstream", "orders/bench"],
  protobufjs: ["orders/wire", "flow/define"],
  jiti: ["flows"],
  "#wire": ["orders/wire"],
  "#otlp": ["telemetry/otlp"],
  cockatiel: ["orders/gateway"],
  fastify: ["orders/api", "collector", "orders/gateway/simulator", "core/listening"],
  commander: [
    "cli",
    ...Object.keys(rows).map((row) => `${row}/command`),
    "orders",
    "replay/options",
    "flows/publish-command",
    "serve/service-options",
  ],
  chalk: ["terminal"],
  ink: ["terminal/live-screen"],
  react: ["terminal/live-screen"],
  ora: ["terminal"],
  "csv-parse": ["orders/sources"],
  pino: ["terminal/log"],
  uuid: ["orders"],
  semver: ["core/compare-versions"],
  hyparquet: ["archive"],
  "hyparquet-writer": ["archive"],
  zod: [
    "core/lock-file",
    "core/process-identity",
    "cli/nats-context",
    "orders/api",
    "broker",
    "flow/process-status",
  ],
};
