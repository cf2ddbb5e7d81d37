import { Option } from "commander";
import type { Online, Register } from "../cli/command-action.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { durationMs, withConnection } from "../cli/options.ts";
import { readClock } from "../cli/read-clock.ts";
import { formatCount, formatRate } from "../terminal/format.ts";
import { type AuditSeen, auditLog } from "./audit-log.ts";
import { auditVerdict } from "./audit-verdict.ts";

export const registerAudit: Register = (command, act, program) => {
  withConnection(
    program
      .withAuditFlags(
        command.addOption(
          new Option("--grace <time>", "younger orders count as under way, not as lost")
            .argParser(durationMs)
            .default(30_000, "30s"),
        ),
      )
      .addHelpText(
        "after",
        "\nExit code: 0 when every order kept every promise, else 1; also where messages went while the log was read.",
      ),
  ).action(act.online(audit));
};

async function audit(online: Online, { grace, ...options }: { grace: number }): Promise<number> {
  const { flow, terminal, signal } = online;
  const clock = await readClock(online, flow.stream);
  const seen: AuditSeen = { messages: 0, sequence: 0, lastSequence: 0 };
  const progress = await terminal.progress();
  const startedAt = performance.now();
  const timer = setInterval(
    () => progress.update(progressText(seen, (performance.now() - startedAt) / 1000)),
    100,
  );
  try {
    const result = await auditLog(online, { graceMs: grace, clock, signal, seen, options });
    progress.end();
    terminal.show("audit", result, auditVerdict(flow.audit.rules));
    return result.verdict === "PASS" ? 0 : 1;
  } catch (thrown) {
    throw signal.aborted ? signal.reason : explainMissingLog(thrown, online);
  } finally {
    clearInterval(timer);
    progress.end();
  }
}

function progressText({ messages, sequence, lastSequence }: AuditSeen, seconds: number): string {
  const share = lastSequence === 0 ? 0 : Math.floor((100 * sequence) / lastSequence);
  return `reading the log: ${share}%, ${formatCount(messages)} events, ${formatRate(messages / seconds)}`;
}
