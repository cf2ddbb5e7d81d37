/** One command line of each kind that needs a broker. */
export const everyCommand = [
  "lag",
  "lag --watch",
  "top",
  "publish order",
  "audit",
  "trace some-order",
  "serve payment",
  "collect --port 0",
  "up --http-port 0 --collect-port 0",
  "dlq list",
  "inventory list",
  "topology diff",
  "replay --dry-run",
  "bench publish --quick",
];
