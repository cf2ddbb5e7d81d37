import { archiveLine } from "../cli/archive-line.ts";
import { clockNote } from "../cli/read-clock.ts";
import type { ProcessStatus } from "../flow/process-status.ts";
import { formatCount, formatDuration } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import { table } from "../terminal/table.ts";
import type { Style, View } from "../terminal/terminal.ts";
import type { Status, StatusSetting } from "./command.ts";

/**
 * First whether the broker is there, who works and whether a breaker is open; then the archive, each process and the
 * settings.
 */
export const statusReport: View<Status> = (
  { broker, processes, unreadableAnswers, answersCut, archive, settings },
  style,
) => {
  const { yellow } = paint(style);
  const parts = [wrapWords(headline(broker, processes), style.width).join("\n")];
  const apart = broker && broker.clock.aheadMs !== null ? clockNote(broker.clock) : undefined;
  if (apart !== undefined)
    parts.push(
      wrapWords(apart, style.width)
        .map((line) => yellow(line))
        .join("\n"),
    );
  if (unreadableAnswers > 0)
    parts.push(
      yellow(
        `${formatCount(unreadableAnswers)} ${unreadableAnswers === 1 ? "answer" : "answers"} of others could not be read as a process's`,
      ),
    );
  if (answersCut) parts.push(yellow("answers did not end: there may be processes that are not told here"));
  const archived = broker ? archiveLine(archive, broker.clock, style) : "";
  if (archived !== "") parts.push(archived);
  if (processes.length > 0) parts.push(processes.map((process) => processText(process, style)).join("\n"));
  return [...parts, settingsTable(settings, style)].join("\n\n");
};

function headline(broker: Status["broker"], processes: readonly ProcessStatus[]): string {
  if (broker === null) return "not connected; these settings are in force:";
  const { server, version, jetStream, user, roundTripMs } = broker;
  const count = processes.length === 1 ? "1 process runs" : `${processes.length || "no"} processes run`;
  const open = processes.flatMap(({ breakers }) => breakers.filter(({ state }) => state !== "closed"));
  const stuck = [...new Set(processes.flatMap(({ problems }) => problems.map(({ consumer }) => consumer)))];
  const worst = open[0] === undefined ? "" : `; ${open[0].name} is ${open[0].state}`;
  const kept = stuck.length === 0 ? "" : `; problems of ${stuck.join(", ")}`;
  const where = `${server} (nats-server ${version}${jetStream ? "" : " without JetStream"}, ${formatDuration(roundTripMs)})`;
  return `connected to ${where} as ${user}; ${count} services${worst}${kept}`;
}

/** Any program may answer, at any length, so the number and length of the shown problems are limited. */
const mostProblems = 10;
const longestProblem = 500;

function processText(status: ProcessStatus, style: Style): string {
  const { bold, yellow } = paint(style);
  const { instance, services, workers, breakers, uptimeMs, stopping, version } = status;
  const sum = (of: "inFlight" | "processed" | "failed" | "duplicates") =>
    formatCount(workers.reduce((total, worker) => total + worker[of], 0));
  const facts = [
    `${stopping ? "stopping, " : ""}up ${formatDuration(uptimeMs)}`,
    `${sum("processed")} processed`,
    `${sum("failed")} failed`,
    `${sum("duplicates")} duplicates`,
    `${sum("inFlight")} in flight`,
    `orderctl ${version}`,
  ];
  const places = [
    ["orders", status.ordersUrl],
    ["metrics", status.metricsUrl],
    ["spans to", status.spansTo],
  ].flatMap(([what, url]) => (url === null ? [] : [`${what} ${url}`]));
  const lines = [services.join(", "), facts.join(", "), places.join(", ")].filter((line) => line !== "");
  const told = lines.flatMap((line) => wrapWords(line, style.width - 2));
  const marked = breakers.map(({ name, state }) => {
    const line = `breaker ${name} ${state}`;
    return state === "closed" ? line : yellow(line);
  });
  const problems = status.problems.slice(0, mostProblems).flatMap(({ consumer, text, forMs }) => {
    const told = `${consumer}, for ${formatDuration(forMs)}: ${text.slice(0, longestProblem)}`;
    return wrapWords(told, style.width - 2).map((line) => yellow(line));
  });
  return [bold(instance), ...[...told, ...problems, ...marked].map((line) => `  ${line}`)].join("\n");
}

const columns = [{ title: "setting" }, { title: "value" }, { title: "from" }] as const;

/** Leaves out settings without a value. */
function settingsTable(settings: readonly StatusSetting[], style: Style): string {
  const given = settings.filter(({ value }) => value !== null);
  return table(
    { columns, rows: given.map(({ name, value, from }) => [name, value ?? "", from ?? ""]) },
    style,
  );
}
