import { execFile } from "node:child_process";
import { delimiter, isAbsolute } from "node:path";

type CommandOptions = {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
};

/**
 * Runs a program without a shell and resolves to its standard output. Rejects with one line saying what went
 * wrong: not found, timed out, or the line of its standard error that names the error.
 */
export function runCommand(file: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { cwd, env, signal, timeoutMs = 10_000 } = options;
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      {
        cwd,
        env: withoutHere(env ?? process.env),
        // A derived signal, because Node leaves its listener on the signal if the program does not exist.
        signal: signal && AbortSignal.any([signal]),
        timeout: timeoutMs,
        windowsHide: true,
        maxBuffer: 16 * 1024 * 1024,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${file}: ${reasonOf(error, stderr)}`, { cause: error }));
      },
    );
  });
}

/** Removes relative folders from PATH, so that no program is run from the current folder. */
function withoutHere(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const PATH = env.PATH?.split(delimiter).filter(isAbsolute).join(delimiter);
  return PATH === undefined ? env : { ...env, PATH };
}

type ExecError = Error & { code?: string | number | null | undefined; killed?: boolean | undefined };

function reasonOf(error: ExecError, stderr: string): string {
  if (error.code === "ENOENT") return "not found";
  if (error.code === "EACCES") return "may not be executed";
  if (error.code === "ABORT_ERR") return "interrupted";
  if (error.killed === true) return "did not end in time";
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const named = lines.find((line) => line.startsWith("E: ")) ?? lines.at(-1);
  return named?.replace(/^E: /, "") ?? `failed with ${error.code ?? "a signal"}`;
}
