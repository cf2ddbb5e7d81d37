import { Option } from "commander";
import type { Online, Register } from "../cli/act.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { durationMs, httpUrl, withConnection } from "../cli/options.ts";
import { readClock } from "../cli/read-clock.ts";
import { ordersStream } from "../orders/subjects.ts";
import { formatCount, formatRate } from "../terminal/format.ts";
import { type AuditSeen, auditLog } from "./audit-log.ts";
import { auditVerdict } from "./audit-verdict.ts";

export const registerAudit: Register = (command, act) => {
  withConnection(
    command
      .addOption(
        new Option("--grace <time>", "younger orders count as under way, not as lost")
          .argParser(durationMs)
          .default(30_000, "30s"),
      )
      .option("--gateway <url>", "compare with what this payment gateway has booked", httpUrl)
      .addHelpText(
        "after",
        "\nExit code: 0 when every order kept every promise, else 1; also where messages went while the log was read.",
      ),
  ).action(act.online(audit));
};

async function audit(online: Online, { grace, gateway }: { grace: number; gateway?: URL }): Promise<number> {
  const { connection, terminal, signal } = online;
  const clock = await readClock(online, ordersStream);
  const seen: AuditSeen = { messages: 0, sequence: 0, lastSequence: 0 };
  const progress = await terminal.progress();
  const startedAt = performance.now();
  const timer = setInterval(
    () => progress.update(progressText(seen, (performance.now() - startedAt) / 1000)),
    100,
  );
  try {
    const result = await auditLog(connection, { graceMs: grace, clock, signal, seen, gateway });
    progress.end();
    terminal.show("audit", result, auditVerdict);
    return result.verdict === "PASS" ? 0 : 1;
  } catch (thrown) {
    throw signal.aborted ? signal.reason : explainMissingLog(thrown, connection);
  } finally {
    clearInterval(timer);
    progress.end();
  }
}

function progressText({ messages, sequence, lastSequence }: AuditSeen, seconds: number): string {
  const share = lastSequence === 0 ? 0 : Math.floor((100 * sequence) / lastSequence);
  return `reading the log: ${share}%, ${formatCount(messages)} events, ${formatRate(messages / seconds)}`;
}
