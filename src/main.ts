import { run } from "./cli.ts";

// The first signal asks everything to end in good order, the second one ends at once.
const stop = new AbortController();
const onSignal = (signal: NodeJS.Signals) => {
  if (stop.signal.aborted) process.exit(130);
  stop.abort(signal);
};
process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
if (process.platform !== "win32") process.on("SIGHUP", onSignal);

// A reader that has seen enough (`| head`) closes the pipe; that is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const { env, stdin, stdout, stderr } = process;
const exitCode = await run(process.argv.slice(2), { env, stdin, stdout, stderr, signal: stop.signal });
// What is still open (a stuck socket, a pipe nobody reads) must not keep a command from ending.
stdout.write("", () => process.exit(exitCode));
