import { run } from "./cli.ts";
import { exitCodes, systemCode } from "./errors.ts";
import { hasSeenEnough } from "./terminal.ts";

/** What has not ended by then, after its results could not be written, will not end. */
const longestEndMs = 20_000;

// The first signal asks everything to end in good order, the second one ends at once.
const stop = new AbortController();
const onSignal = (signal: NodeJS.Signals) => {
  if (stop.signal.aborted) process.exit(130);
  stop.abort(signal);
};
process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
if (process.platform !== "win32") process.on("SIGHUP", onSignal);

// What is written in vain ends all else in good order too. A reader that has seen enough (`| head`) closes the pipe: no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  stop.abort(error);
  setTimeout(() => process.exit(exitCodeAfter(0)), longestEndMs).unref();
});

const exitCodeAfter = (code: number): number => {
  const isBroken = systemCode(stop.signal.reason) !== undefined && !hasSeenEnough(stop.signal);
  return isBroken ? exitCodes.output : code;
};

const { env, stdin, stdout, stderr } = process;
const exitCode = await run(process.argv.slice(2), { env, stdin, stdout, stderr, signal: stop.signal });
// What is still open (a stuck socket, a pipe nobody reads) must not keep a command from ending.
stdout.write("", () => process.exit(exitCodeAfter(exitCode)));
