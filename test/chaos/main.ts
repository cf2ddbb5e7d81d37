import { readOptions } from "./options.ts";
import { isKept } from "./report.ts";
import { runChaos } from "./run-chaos.ts";

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort(name));

if (process.platform === "win32") {
  process.stderr.write("npm run chaos freezes processes, which Windows cannot do\n");
  process.exit(2);
}

const print = (line: string) => void process.stdout.write(`${line}\n`);
try {
  const { findings } = await runChaos(readOptions(process.argv.slice(2)), { print, signal: stop.signal });
  process.exitCode = isKept(findings) ? 0 : 1;
} catch (thrown) {
  process.exitCode = stop.signal.aborted ? 130 : 1;
  print(stop.signal.aborted ? "interrupted" : `FAIL: ${thrown instanceof Error ? thrown.stack : thrown}`);
}
