import { run } from "./cli.ts";

// The first signal aborts `stop`, so that everything ends in order; the second one exits at once.
const stop = new AbortController();
const onSignal = (signal: NodeJS.Signals) => {
  if (stop.signal.aborted) process.exit(130);
  stop.abort(signal);
};
process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
if (process.platform !== "win32") process.on("SIGHUP", onSignal);

const { env } = process;
const streams = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
// Exit explicitly: an open handle (a stuck socket) must not keep the process from ending.
process.exit(await run(process.argv.slice(2), { env, ...streams, signal: stop.signal }));
