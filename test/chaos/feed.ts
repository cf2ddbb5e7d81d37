import { setTimeout as wait } from "node:timers/promises";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { type Ended, orderctl } from "../support/supervised.ts";
import type { Batch } from "./feed-plan.ts";

type Report = { stored: number; duplicates: number };

/** How publishing went, over all batches. */
export type Fed = {
  acknowledged: Set<string>;
  /** Publishers that gave up and were started again, by reason. */
  givenUp: Map<string, number>;
  /** Orders that a publisher was told were stored, and that were stored anew when it said them again. */
  storedAnew: number;
  /** Publishers altogether. */
  started: number;
  /** Those of them that had stored something, and gave up because nobody answered for the log any more. */
  unanswered: number;
};

const againMs = 500;
/** Beyond the time it should take; who needs more hangs. */
const patienceMs = 300_000;

/** Publishes batches, each with a process of the built command that is started again until all of it is stored. */
export class Feed {
  readonly fed: Fed = {
    acknowledged: new Set(),
    givenUp: new Map(),
    storedAnew: 0,
    started: 0,
    unanswered: 0,
  };
  readonly #words: string;
  readonly #signal: AbortSignal;

  /** `words`: how to reach the broker. */
  constructor(words: string, signal: AbortSignal) {
    this.#words = words;
    this.#signal = signal;
  }

  /** Resolves once the broker has acknowledged every order of the batch; rejects when that takes minutes too long. */
  async publish({ count, rate, seed }: Batch): Promise<void> {
    const words = `publish order --count ${count} --seed ${seed} --rate ${rate} --json ${this.#words}`;
    const late = AbortSignal.timeout(Math.ceil((count / rate) * 1000) + patienceMs);
    const signal = AbortSignal.any([this.#signal, late]);
    let before = 0;
    for (;;) {
      this.fed.started += 1;
      const ended = await orderctl(words, { signal });
      signal.throwIfAborted();
      const report = reportOf(ended);
      if (ended.exitCode === 0 && report) {
        // What an earlier try was told is stored must be there; its payload differs, so it cannot pass for the same.
        // At least so many are missing: what was stored and not acknowledged counts as there, too.
        this.fed.storedAnew += Math.max(0, before - report.duplicates);
        break;
      }
      before += report?.stored ?? 0;
      const reason = reasonOf(ended);
      if (report && report.stored > 0 && reason === "no_responders") this.fed.unanswered += 1;
      this.fed.givenUp.set(reason, (this.fed.givenUp.get(reason) ?? 0) + 1);
      await wait(againMs, undefined, { signal });
    }
    for (const { orderId } of generateOrders(count, seed).orders) this.fed.acknowledged.add(orderId);
  }
}

function reportOf({ stdout }: Ended): Report | undefined {
  const line = stdout.split("\n").find((text) => text.includes('"publish-report"'));
  return line === undefined ? undefined : JSON.parse(line).data;
}

function reasonOf({ exitCode, stderr }: Ended): string {
  const line = stderr.split("\n").find((text) => text.startsWith('{"kind":"error"'));
  return line === undefined ? `exit ${exitCode}` : JSON.parse(line).data.code;
}
