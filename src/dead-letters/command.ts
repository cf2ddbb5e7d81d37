import { hostname, userInfo } from "node:os";
import type { Command } from "commander";
import type { Online, Register } from "../cli/command-action.ts";
import { durationMs, positive, withConnection, withGiveUp } from "../cli/options.ts";
import { readClock } from "../cli/read-clock.ts";
import { sameCommand } from "../cli/same-command.ts";
import { OrderctlError } from "../core/errors.ts";
import { deadLettersStream } from "../flow/flow-topology.ts";
import { plainDetail } from "../jetstream/dead-letters/dead-letter.ts";
import { type DeadMessage, readNewestDeadLetters } from "./dead-letters.ts";
import { readDeadLetterDetail } from "./detail.ts";
import { deadLetterDetail } from "./detail-view.ts";
import { readFalseEvent, removeFalseEvent } from "./false-event.ts";
import { type DeadLetterFilter, findDeadLetters, fits } from "./filter.ts";
import { purgeDeadLetters } from "./purge.ts";
import { redriveDeadLetters } from "./redrive.ts";
import { purgeReport, redriveReport, removalReport } from "./reports-view.ts";
import { deadLetterTable, moreLetters } from "./table.ts";

type FilterFlags = { order?: string; service?: string; reason?: string; since?: number; redriven?: boolean };
type ListOptions = FilterFlags & { limit: number };
type Selection = FilterFlags & { all: boolean; dryRun: boolean };
type RedriveOptions = Selection & { again: boolean; rate?: number };
type PurgeOptions = Selection & { yes: boolean };

export const registerDlq: Register = (command, act) => {
  const list = command.command("list").description("what was given up on, newest first");
  withFilter(list)
    .option("--redriven", "those that were redriven and are settled as well", false)
    .option("--limit <n>", "show at most so many", positive, 50);
  withConnection(list).action(act.online(listDeadLetters));

  const show = command.command("show").description("one dead letter: why, what it was, where it came from");
  withConnection(show.argument("<id>", "its number, or the order's id")).action(act.online(showDeadLetter));

  const redrive = command.command("redrive").description("give dead letters to their consumers once more");
  withSelection(redrive)
    .option("--again", "those that were redriven before as well", false)
    .option("--rate <n>", "at most so many a second", positive);
  withConnection(withGiveUp(redrive)).action(act.online(redriveSelected, { check: mustNameSome }));

  const removeEvent = command
    .command("remove-event")
    .description("delete a message of the log that is no event and takes the place of one")
    .argument("<number>", "of the message in ORDERS, as `audit` and the dead letter tell it")
    .optionsGroup("How:")
    .option("--dry-run", "only tell what it is", false)
    .option("--force", "also where it is an event as it should be", false)
    .option("--yes", "needed, as it is gone for good", false);
  withConnection(removeEvent).action(act.online(removeEventNamed));

  const purge = command
    .command("purge")
    .description("delete dead letters; the log keeps what they were copies of");
  withSelection(purge)
    .option("--redriven", "those that were redriven and are settled as well", false)
    .option("--yes", "needed for more than one, and where nobody watches", false);
  withConnection(purge).action(act.online(purgeSelected, { check: mustNameSome }));
};

const withFilter = (command: Command): Command =>
  command
    .optionsGroup("Which:")
    .option("--order <id>", "of one order")
    .option("--service <name>", "that this service gave up on")
    .option("--reason <code>", "bad_message, timeout, crash_loop …")
    .option("--since <time>", "no older than 10m, 2h …", durationMs);

const withSelection = (command: Command): Command =>
  withFilter(command.argument("[number...]", "as `dlq list` tells them"))
    .option("--all", "every one", false)
    .optionsGroup("How:")
    .option("--dry-run", "only tell which", false);

async function listDeadLetters(online: Online, options: ListOptions): Promise<undefined> {
  const { terminal } = online;
  const filter = await filterOf(online, options);
  const { limit } = options;
  const { found, isWhole } = await newest(online, filter, limit);
  const letters = found.slice(0, limit).map(({ letter }) => letter);
  const total = isWhole ? found.length : null;
  if (!terminal.json) terminal.show("dead-letters", { total, letters }, deadLetterTable(online.flow.noun));
  else for (const letter of letters) terminal.show("dead-letter", letter, String);
  if (terminal.json && total !== letters.length) terminal.note(moreLetters(total, letters.length));
  return undefined;
}

/** Dead letters of one order or service are few and read completely; otherwise only the newest ones are read. */
async function newest(online: Online, filter: DeadLetterFilter, wanted: number) {
  const { orderId, service } = filter;
  const { signal } = online;
  if (orderId === undefined && service === undefined)
    return readNewestDeadLetters(online, { wanted, fits: (letter) => fits(letter, filter), signal });
  return { found: await findDeadLetters(online, filter, signal), isWhole: true };
}

async function showDeadLetter(online: Online, _: unknown, [id = ""]: string[]): Promise<undefined> {
  const { connection, terminal, signal } = online;
  const numbered = isNumber(id) ? await findDeadLetters(online, { sequences: [Number(id)] }, signal) : [];
  const found =
    numbered.length > 0
      ? numbered
      : await findDeadLetters(online, { orderId: keyTyped(online, id), settled: true }, signal);
  const [newest, ...older] = found;
  if (!newest) throw unknown(connection.server, [id]);
  terminal.show(
    "dead-letter-detail",
    await readDeadLetterDetail(online, newest),
    deadLetterDetail(online.flow.noun),
  );
  if (older.length > 0)
    terminal.note(`the newest of this ${online.flow.noun.one}; older: ${numbersOf(older)}`);
  return undefined;
}

/** An order can have thousands of dead letters when somebody stores them in bad faith. */
const shownNumbers = 20;

function numbersOf(found: readonly DeadMessage[]): string {
  const first = found.slice(0, shownNumbers).map(({ letter }) => letter.sequence);
  const more = found.length - first.length;
  return `${first.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

async function redriveSelected(
  online: Online,
  options: RedriveOptions,
  args: string[],
): Promise<number | undefined> {
  const { terminal, signal } = online;
  const { again, dryRun, rate } = options;
  const found = await select(online, { ...options, redriven: again }, args);
  const { report, failure } = await redriveDeadLetters(online, found, {
    by: plainDetail(`${userName()}@${hostname()}`),
    again,
    named: args.length > 0,
    dryRun,
    perSecond: rate,
    signal,
  });
  if (!failure || report.redriven.length > 0) terminal.show("redrive", report, redriveReport);
  if (failure) throw withWayOn(failure, online, again);
  return report.forged.length > 0 ? 1 : undefined;
}

/** A repeated command skips the dead letters that are already redriven, unless `again` is set. */
function withWayOn(error: OrderctlError, { argv }: Online, again: boolean) {
  const rest = again
    ? "`orderctl dlq list --redriven` shows which of them are redriven"
    : `to redrive the rest: ${sameCommand(argv)}`;
  const { code, message, source } = error;
  return new OrderctlError(code, message, { hint: error.hint ?? rest, source });
}

async function purgeSelected(online: Online, options: PurgeOptions, args: string[]): Promise<undefined> {
  const { connection, terminal, signal } = online;
  const { dryRun, yes } = options;
  const found = await select(online, options, args);
  if (!dryRun && !yes && (found.length > 1 || (found.length === 1 && !terminal.live))) {
    throw new OrderctlError("usage", `this deletes ${found.length} of them for good`, {
      hint: "--yes does it; --dry-run tells which",
    });
  }
  terminal.show("purge", await purgeDeadLetters(connection, found, { dryRun, signal }), purgeReport);
  return undefined;
}

type RemoveOptions = { dryRun: boolean; force: boolean; yes: boolean };

async function removeEventNamed(
  online: Online,
  { dryRun, force, yes }: RemoveOptions,
  [number = ""]: string[],
): Promise<undefined> {
  if (!isNumber(number))
    throw new OrderctlError("usage", `${JSON.stringify(number)} is not the number of a message`, {
      hint: "`orderctl audit` tells the numbers of messages that cannot be read",
    });
  const found = await readFalseEvent(online, Number(number));
  const removal = await removeFalseEvent(online, found, { force, dryRun: dryRun || !yes });
  online.terminal.show("event-removal", removal, removalReport);
  if (removal.removed || dryRun) return undefined;
  throw new OrderctlError("usage", "nothing is removed: it would be gone for good", {
    hint: "--yes does it",
  });
}

function mustNameSome(options: Selection, args: string[]): void {
  const { order, service, reason, since } = options;
  const isNamed = args.map(numberOf).length > 0;
  if (isNamed || [order, service, reason, since].some((asked) => asked !== undefined)) return;
  if (options.all) return;
  throw new OrderctlError("usage", "which ones? name their numbers, a filter, or --all");
}

/** Rejects with `not_found` when a number names no dead letter. */
async function select(online: Online, options: Selection, args: string[]): Promise<DeadMessage[]> {
  const { connection, signal } = online;
  const filter = await filterOf(online, options, args);
  const found = await findDeadLetters(online, filter, signal);
  const missing = args.filter((arg) => !found.some(({ letter }) => letter.sequence === Number(arg)));
  if (missing.length > 0) throw unknown(connection.server, missing);
  return found;
}

/** `since` counts back from the broker's time, because the broker's clock dates the dead letters. */
async function filterOf(
  online: Online,
  { order, service, reason, since, redriven }: FilterFlags,
  args: string[] = [],
): Promise<DeadLetterFilter> {
  const clock = since === undefined ? undefined : await readClock(online, deadLettersStream);
  return {
    sequences: args.map(numberOf),
    orderId: order === undefined ? undefined : keyTyped(online, order),
    service,
    reason,
    sinceMs: clock && since !== undefined ? clock.nowUs() / 1000 - since : undefined,
    settled: redriven,
  };
}

/** What is no key is nobody's dead letter. */
const keyTyped = ({ flow }: Online, text: string): string => flow.keyTyped(text) ?? text;

const isNumber = (text: string): boolean => /^\d{1,15}$/.test(text);

function numberOf(arg: string): number {
  if (isNumber(arg)) return Number(arg);
  throw new OrderctlError("usage", `${JSON.stringify(arg)} is not the number of a dead letter`, {
    hint: "`orderctl dlq list` tells the numbers; --order names an order",
  });
}

const unknown = (server: string, ids: readonly string[]): OrderctlError =>
  new OrderctlError("not_found", `no dead letter ${ids.join(", ")} at ${server}`, {
    hint: "`orderctl dlq list --redriven` shows all there are",
  });

/** `userInfo` throws when the user has no name, as in some containers. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown";
  }
}
