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
  ["server", flags.server === undefined ? undefined : addressWithoutUser(flags.server)],
  ["js-domain", flags.jsDomain],
  ["user", flags.user],
  ["context", flags.context],
  ["creds", flags.creds],
  ["nkey", flags.nkey],
  ["tlscert", flags.tlscert],
  ["tlskey", flags.tlskey],
  ["tlsca", flags.tlsca],
  ["inbox-prefix", flags.inboxPrefix],
];

/** Always `--append`: the file already has the first lines and must not be replaced. */
const switches = (flags: ReplayFlags): [name: string, isOn: boolean][] => [
  ["append", flags.out !== undefined && flags.out !== "-"],
  ["each", flags.each],
  ["store", flags.store],
  ["dry-run", flags.dryRun],
  ["tls-first", flags.tlsFirst === true],
];
