import { Option } from "commander";
import type { Online, Register } from "../cli/command-action.ts";
import { count, time, withConnection } from "../cli/options.ts";
import { noteClock } from "../cli/read-clock.ts";
import { watch } from "../cli/watch.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { StreamLag } from "../jetstream/streams/lag.ts";
import { lastingConsumers } from "./lag-table.ts";
import { createLagReader, lagReport } from "./log-lag.ts";

type Options = { interval: number; failAbove?: number; watch?: boolean };

export const registerLag: Register = (command, act, { flow }) => {
  withConnection(
    command
      .argument("[stream]", "any stream", flow.stream)
      .addOption(
        time("--interval <time>", "time between the two samples that rates are computed from", [1000, "1s"]),
      )
      .option("--fail-above <n>", "exit 1 if a consumer has more than <n> messages to go", count)
      .addOption(
        new Option("-w, --watch", "one sample after the other, until interrupted").conflicts("failAbove"),
      ),
  ).action(act.online(showLag, { check: refuseNoInterval }));
};

function refuseNoInterval({ watch: isWatch, interval }: Options): void {
  if (isWatch && interval === 0) throw new OrderctlError("usage", "--watch needs an --interval above zero");
}

async function showLag(
  online: Online,
  { interval, failAbove, watch: isWatch }: Options,
  [stream = online.flow.stream]: string[],
): Promise<number> {
  const { connection, terminal, signal } = online;
  const readLag = createLagReader(online, { stream, intervalMs: interval, signal });
  const read = () =>
    readLag().catch(async (thrown) => {
      throw await explainMissing(thrown, connection);
    });
  if (isWatch) {
    await watch(online, { kind: "consumer-lag", view: lagReport, read, clockOf: ({ clock }) => clock });
    return 0;
  }
  const lag = await read();
  noteClock(terminal, lag.clock);
  terminal.show("consumer-lag", lag, lagReport);
  return failAbove !== undefined && isAbove(lag, failAbove) ? 1 : 0;
}

/** Adds the names of the existing streams to a `not_found` error. */
async function explainMissing(thrown: unknown, { jsm }: Connection): Promise<unknown> {
  if (!(thrown instanceof OrderctlError) || thrown.code !== "not_found") return thrown;
  // Listing the streams may be denied to this user.
  const names = await jsm.streams
    .names()
    .next()
    .catch(() => undefined);
  return new OrderctlError(thrown.code, thrown.message, { hint: names && hintOf(names), cause: thrown });
}

function hintOf(names: readonly string[]): string {
  if (names.length === 0)
    return "there is no stream at all; `orderctl up` or `orderctl serve all` creates those of the orders";
  const first = names.toSorted().slice(0, shownNames).join(", ");
  return `there are ${first}${names.length > shownNames ? ` and ${names.length - shownNames} more` : ""}`;
}

const shownNames = 10;

const isAbove = (lag: StreamLag, limit: number): boolean =>
  lastingConsumers(lag).some(({ pending, ackPending }) => pending + ackPending > limit);
