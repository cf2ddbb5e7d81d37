import { connectionTimes, flagSpecs, typed } from "../cli/connection-flags.ts";
import type { ReplayProgram } from "../cli/flow-program.ts";
import { addressWithoutUser, quoted } from "../cli/same-command.ts";
import { isoTime } from "../core/units.ts";
import type { ReplayFlags } from "./options.ts";

export type ResumePlace = {
  stream: string;
  fromSequence: number;
  toSequence: number;
  /** Unix µs. */
  sinceUs: number | undefined;
  untilUs: number | undefined;
};

/**
 * The command line that continues a replay up to the same end. It omits secrets: passwords, tokens and addresses that
 * contain any.
 */
export function resumeCommand(program: ReplayProgram, place: ResumePlace, flags: ReplayFlags): string {
  const { stream, fromSequence, toSequence } = place;
  const times = { since: place.sinceUs, until: place.untilUs };
  const words = [
    ...["orderctl", "replay", stream, "--from-seq", String(fromSequence), "--to-seq", String(toSequence)],
    ...Object.entries(times).flatMap(([name, us]) => (us === undefined ? [] : [`--${name}`, isoTime(us)])),
    ...valued(program, flags).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    ),
    ...switches(flags).flatMap(([name, isOn]) => (isOn ? [`--${name}`] : [])),
  ];
  return words.map(quoted).join(" ");
}

type Valued = [name: string, value: unknown];

const valued = (program: ReplayProgram, flags: ReplayFlags): Valued[] => [
  ["subject", flags.subject],
  ["order", flags.order],
  ["speed", flags.speed === Number.POSITIVE_INFINITY ? undefined : `${flags.speed}x`],
  ["window", flags.window === 256 ? undefined : flags.window],
  ["to", flags.to],
  ["service", flags.service],
  ...program.resumeFlags(flags.service, flags),
  ["out", flags.out],
  ["give-up", flags.giveUp === undefined ? undefined : `${flags.giveUp}ms`],
  ...flagSpecs
    .filter(({ value, isSecret }) => value && !isSecret)
    .map(({ flag }): Valued => [typed(flag).slice(2), shown(flag, flags[flag])]),
  ...connectionTimes.map(({ flag }): Valued => {
    const ms = flags[flag];
    return [typed(flag).slice(2), ms === undefined ? undefined : `${ms}ms`];
  }),
];

/** Without the user and the password in an address. */
const shown = (flag: string, value: unknown): unknown =>
  flag === "server" && typeof value === "string" ? addressWithoutUser(value) : value;

/** Always `--append`: the file already has the first lines and must not be replaced. */
const switches = (flags: ReplayFlags): [name: string, isOn: boolean][] => [
  ["append", flags.out !== undefined && flags.out !== "-"],
  ["each", flags.each],
  ["store", flags.store],
  ["dry-run", flags.dryRun],
  ["tls-first", flags.tlsFirst === true],
];
