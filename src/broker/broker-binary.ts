import { compareVersions } from "../core/compare-versions.ts";
import { runCommand } from "./run-command.ts";

export const brokerSources = ["env", "path", "cache", "release", "debian"] as const;

export type BrokerSource = (typeof brokerSources)[number];

/** A nats-server program that was run once to read its version. */
export type BrokerBinary = { path: string; version: string; source: BrokerSource };

/** The oldest nats-server version that orderctl is tested with. */
export const oldestVersion = "2.9.10";

export const binaryName = process.platform === "win32" ? "nats-server.exe" : "nats-server";

/**
 * Runs `<path> --version` and returns the version (`2.10.27`). Rejects if the program is not a nats-server or is too
 * old.
 */
export async function readBinaryVersion(path: string, signal?: AbortSignal): Promise<string> {
  const said = await runCommand(path, ["--version"], { signal });
  const version = /^nats-server: v(\d+\.\d+\.\d+\S*)/m.exec(said)?.[1];
  if (version === undefined) throw new Error(`${path}: does not say which nats-server it is`);
  if (compareVersions(version, oldestVersion) < 0) {
    throw new Error(`${path}: version ${version} is older than ${oldestVersion}`);
  }
  return version;
}
