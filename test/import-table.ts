/** What every feature may use. */
const feature = ["cli", "core", "flow", "jetstream", "orders", "telemetry", "terminal"];

/**
 * Who may import whom: a row for each folder of `src`, and for each file beside them. A name with a slash is one file or folder of a
 * part. A part's own files go without saying.
 */
export const rows: Record<string, { may: string[] }> = {
  main: { may: ["cli"] },
  // The command tree loads a command when it is called.
  cli: {
    may: [
      "core",
      "terminal",
      "jetstream",
      "telemetry",
      "broker/background-broker",
      "collector/announce",
      "orders/subjects",
    ],
  },

  core: { may: [] },
  terminal: { may: ["core"] },
  jetstream: { may: ["core"] },
  telemetry: { may: ["core"] },
  flow: { may: ["core", "jetstream", "telemetry", "orders"] },
  orders: { may: ["cli", "core", "flow", "jetstream", "publish", "telemetry", "terminal"] },

  audit: { may: [...feature, "dead-letters"] },
  bench: { may: [...feature, "broker", "publish"] },
  broker: { may: ["cli", "core", "jetstream", "terminal"] },
  collector: { may: [...feature, "serve"] },
  completion: { may: ["cli"] },
  "dead-letters": { may: feature },
  demo: { may: [...feature, "audit", "broker/own-broker", "lag", "publish", "serve", "trace"] },
  lag: { may: feature },
  publish: { may: feature },
  replay: { may: feature },
  serve: { may: [...feature, "broker"] },
  status: { may: feature },
  top: { may: [...feature, "lag"] },
  topology: { may: [...feature, "collector"] },
  trace: { may: [...feature, "collector/read-trace"] },
  up: { may: [...feature, "broker", "collector", "lag", "serve"] },
};

/** One folder per vendor; the bench compares with the bare client. */
export const vendors: Record<string, string[]> = {
  nats: ["jetstream", "bench"],
  protobufjs: ["orders/wire"],
  "#wire": ["orders/wire"],
  "#otlp": ["telemetry/otlp"],
  cockatiel: ["orders/gateway"],
  fastify: ["orders/api", "collector", "orders/gateway/simulator", "core/listening"],
  commander: [
    "cli",
    ...Object.keys(rows).map((row) => `${row}/command`),
    "orders/stock/command",
    "replay/options",
    "serve/gateway-options",
    "serve/serve-gateway",
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
