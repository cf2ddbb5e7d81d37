import { isIP } from "node:net";
import { Command, InvalidArgumentError, Option } from "commander";
import { parseBytes, parseDurationMs } from "../core/units.ts";
import type { ConnectionFlags } from "./config.ts";
import { connectionTimes, flagSpecs, typed } from "./connection-flags.ts";

/** A hundred years: short enough for the range of dates and of nanoseconds in 64 bits. */
const longestMs = 36_500 * 86_400_000;

/** Adds the flags that say how to reach the broker, and `--json`. */
export function withConnection(command: Command): Command {
  const options = [
    ...flagSpecs.map(optionOf),
    ...connectionTimes.map(({ flag, summary, defaultMs }) =>
      new Option(`${typed(flag)} <time>`, `${summary} (default: ${defaultMs / 1000}s)`).argParser(waitMs),
    ),
  ];
  command.optionsGroup("Connection:");
  for (const option of options) command.addOption(option);
  return withJson(command);
}

/**
 * The connection flags of a command line, before its command is known. Throws commander's error for one without its
 * value.
 */
export function connectionFlagsIn(argv: readonly string[]): ConnectionFlags {
  const command = withConnection(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parseOptions([...argv]);
  return command.opts();
}

function optionOf({ flag, short, value, summary, rest = "", variable }: (typeof flagSpecs)[number]): Option {
  const flags = [...(short ? [`-${short}`] : []), typed(flag)].join(", ");
  const place = variable ? ` (env ${variable})` : "";
  return new Option([flags, ...(value ? [value] : [])].join(" "), `${summary}${place}${rest}`);
}

/** Adds `--no-auth`, for commands that start a broker of their own. */
export const withNoAuth = (command: Command): Command =>
  command.option(
    "--no-auth",
    "a broker that it starts takes everybody on this machine, not only who has its key",
  );

/** Adds `--give-up`, for commands that publish: how long they keep trying while the broker does not store. */
export const withGiveUp = (command: Command): Command =>
  command.addOption(
    new Option("--give-up <time>", "end when the broker does not store for so long (default: 5m)").argParser(
      waitMs,
    ),
  );

export function withJson(command: Command): Command {
  return command.optionsGroup("Output:").option("--json", 'one line {"kind","version","data"} per result');
}

/** `250ms`, `1.5s`, `2m`, `1h` → ms; a bare number is seconds. */
export function durationMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError("expected a time such as 250ms, 5s or 2m.");
  if (ms > longestMs) throw new InvalidArgumentError("expected at most 36500d.");
  return ms;
}

/** As `durationMs`, for a time to wait: Node's timers treat a delay of 2^31 ms or more as none. */
export function waitMs(text: string): number {
  const ms = durationMs(text);
  if (ms > 2 ** 31 - 1) throw new InvalidArgumentError("expected at most 24d.");
  return ms;
}

/** As `waitMs`, for the interval of something that repeats: at least 1 ms. */
export function paceMs(text: string): number {
  const ms = waitMs(text);
  if (ms < 1) throw new InvalidArgumentError("expected 1ms or more.");
  return ms;
}

/** An option for a time to wait; its default in ms, and as the help shows it. */
export const time = (flags: string, text: string, [ms, shown]: [number, string]): Option =>
  new Option(flags, text).default(ms, shown).argParser(waitMs);

/** A whole number ≥ 0; `10k`, `1.5M`, `10_000` and `10,000` are understood. */
export function count(text: string): number {
  const match = /^(\d+|\d{1,3}(?:[_,]\d{3})+)(\.\d+)?([kM])?$/.exec(text.trim());
  const [, whole = "", fraction = "", unit] = match ?? [];
  const exact = Number(whole.replace(/[_,]/g, "") + fraction) * (unit === "M" ? 1e6 : unit === "k" ? 1e3 : 1);
  const value = Math.round(exact);
  if (!match || !Number.isSafeInteger(value) || Math.abs(exact - value) > 1e-6) {
    throw new InvalidArgumentError("expected a whole number.");
  }
  return value;
}

/** Like `count`, but at least 1. */
export function positive(text: string): number {
  const value = count(text);
  if (value < 1) throw new InvalidArgumentError("expected a number from 1.");
  return value;
}

/** A share between 0 and 1; `5%` is understood. */
export function share(text: string): number {
  const percent = text.trim().endsWith("%");
  const value = Number(text.replace("%", "")) / (percent ? 100 : 1);
  if (!(value >= 0 && value <= 1))
    throw new InvalidArgumentError("expected a share from 0 to 1, or 0% to 100%.");
  return value;
}

/** A TCP port; 0 takes a free port. */
export function port(text: string): number {
  const value = count(text);
  if (value > 65_535) throw new InvalidArgumentError("expected a port from 0 to 65535.");
  return value;
}

/** The number of replicas of a stream in a cluster, 1 to 5. */
export function replicas(text: string): number {
  const value = positive(text);
  if (value > 5) throw new InvalidArgumentError("expected 1 to 5.");
  return value;
}

const leastBytes = 2 ** 20;

/** The maximum size of a stream in bytes. */
export function bytes(text: string): number {
  const value = parseBytes(text);
  if (value === undefined || value < leastBytes)
    throw new InvalidArgumentError("expected a size from 1MiB, such as 500MB or 2GiB.");
  return value;
}

/** Adds the flags that apply when the command creates streams. */
export const withStreamFlags = (command: Command): Command =>
  command
    .option("--replicas <n>", "of the streams, when they are created", replicas, 1)
    .option(
      "--max-bytes <size>",
      "when they are created: of ORDERS; new orders are refused then. Of the others a tenth of it",
      bytes,
    );

export type AllowedHostFlags = { allowHost?: readonly string[] };

/** Adds `--allow-host`, for commands that serve HTTP. */
export const withAllowedHosts = (command: Command): Command =>
  command.option(
    "--allow-host <name>",
    "answer HTTP requests whose Host is this name as well; may be repeated",
    (text: string, before: readonly string[] = []) => [...before, hostName(text)],
  );

function hostName(text: string): string {
  if (/^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.?)+$/i.test(text) || isIP(text) !== 0) return text;
  throw new InvalidArgumentError("expected a host name without a port, such as orders.example.com.");
}

/** The address of an HTTP API, with or without a path. */
export function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "") return url;
  throw new InvalidArgumentError("expected a URL such as http://127.0.0.1:8090.");
}
