import { Option } from "commander";
import type { Online, Register } from "../cli/command-action.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { type Moment, moment, placeMoment } from "../cli/moment.ts";
import { durationMs, withConnection } from "../cli/options.ts";
import { readClock } from "../cli/read-clock.ts";
import { OrderctlError } from "../core/errors.ts";
import { formatCount, formatRate } from "../terminal/format.ts";
import { auditLog } from "./audit-log.ts";
import { auditVerdict } from "./audit-verdict.ts";
import { type AuditSeen, nothingSeen } from "./log-reading.ts";

export const registerAudit: Register = (command, act, program) => {
  withConnection(
    program
      .withAuditFlags(
        command
          .addOption(
            new Option("--grace <time>", "younger orders count as under way, not as lost")
              .argParser(durationMs)
              .default(30_000, "30s"),
          )
          .option(
            "--since <time>",
            "only orders created since 2026-01-31T09:00:00Z, or 15m, 2h ago by the broker's clock, and events stored since",
            moment,
          )
          .option(
            "--all",
            "read what is archived again, and compare the archive's files with its manifest",
            false,
          ),
      )
      .addHelpText(
        "after",
        "\nWhat is archived was audited when it was; that audit goes on, with what it found, unless --all is given.\n\nExit code: 0 when every order kept every promise, else 1; also where messages went while the log was read.",
      ),
  ).action(act.online(audit, { check }));
};

type AuditFlags = { grace: number; all: boolean; since?: Moment };

function check({ all, since }: AuditFlags): void {
  if (all && since) throw new OrderctlError("usage", "--all and --since exclude each other");
}

async function audit(online: Online, { grace, all, since, ...options }: AuditFlags): Promise<number> {
  const { flow, terminal, signal } = online;
  if (!flow.isManaged)
    throw new OrderctlError(
      "usage",
      `an audit proves nothing of ${flow.stream}: the stream is not orderctl's own`,
      {
        hint: "it may take an event twice, and lose what its limits let go",
      },
    );
  const clock = await readClock(online, flow.stream);
  const sinceUs = since && placeMoment(since, clock.nowUs());
  const seen = nothingSeen();
  const progress = await terminal.progress();
  const startedAt = performance.now();
  const timer = setInterval(
    () => progress.update(progressText(seen, (performance.now() - startedAt) / 1000)),
    100,
  );
  try {
    const result = await auditLog(online, { graceMs: grace, clock, signal, seen, all, sinceUs, options });
    progress.end();
    terminal.show("audit", result, auditVerdict(flow));
    return result.verdict === "PASS" ? 0 : 1;
  } catch (thrown) {
    throw signal.aborted ? signal.reason : explainMissingLog(thrown, online);
  } finally {
    clearInterval(timer);
    progress.end();
  }
}

function progressText({ messages, sequence, readFrom, lastSequence }: AuditSeen, seconds: number): string {
  const share =
    sequence === 0 ? 0 : Math.floor((100 * (sequence - readFrom + 1)) / (lastSequence - readFrom + 1));
  return `reading the log: ${share}%, ${formatCount(messages)} events, ${formatRate(messages / seconds)}`;
}
