/** What every feature may use. */
const feature = ["cli", "core", "flow", "jetstream", "telemetry", "terminal"];

/**
 * Who may import whom: a row for each folder of `src`, and for each file beside them. A name with a slash is one file or folder of a
 * part. A part's own files go without saying. No row but that of `cli` may name `orders`: all others are handed a flow.
 */
export const rows: Record<string, string[]> = {
  main: ["cli"],
  // The command tree loads a command, and the flow that it works on, when it is called.
  cli: ["core", "terminal", "flow", "jetstream", "telemetry", "broker/background-broker", "orders/program"],

  core: [],
  terminal: ["core"],
  jetstream: ["core"],
  telemetry: ["core"],
  flow: ["core", "jetstream", "telemetry"],

  // The built-in flow, and what only makes sense of orders: their stock, gateway, API, files, demo and benchmark.
  orders: [...feature, "audit", "broker", "lag", "publish", "serve", "trace"],

  audit: [...feature, "dead-letters"],
  broker: ["cli", "core", "jetstream", "terminal"],
  collector: feature,
  completion: ["cli"],
  "dead-letters": feature,
  lag: feature,
  publish: feature,
  replay: feature,
  serve: feature,
  status: feature,
  top: [...feature, "lag"],
  topology: [...feature, "collector/topology"],
  trace: [...feature, "collector/read-trace"],
  up: [...feature, "broker", "collector", "lag", "serve"],
};

/** One folder per vendor; the benchmark compares with the bare client. */
export const vendors: Record<string, string[]> = {
  nats: ["jetstream", "orders/bench"],
  protobufjs: ["orders/wire"],
  "#wire": ["orders/wire"],
  "#otlp": ["telemetry/otlp"],
  cockatiel: ["orders/gateway"],
  fastify: ["orders/api", "collector", "orders/gateway/simulator", "core/listening"],
  commander: [
    "cli",
    ...Object.keys(rows).map((row) => `${row}/command`),
    "orders",
    "replay/options",
    "serve/service-options",
  ],
  chalk: ["terminal"],
  ink: ["up/up-screen"],
  react: ["up/up-screen"],
  ora: ["terminal"],
  "csv-parse": ["orders/sources"],
  pino: ["terminal/log"],
  uuid: ["orders"],
  zod: [
    "core/lock-file",
    "core/process-identity",
    "cli/nats-context",
    "orders/api",
    "broker",
    "flow/process-status",
  ],
};
