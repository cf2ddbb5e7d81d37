import { setTimeout as wait } from "node:timers/promises";
import { type Ended, orderctl } from "../support/supervised.ts";
import type { Batch } from "./feed-plan.ts";
import type { Tortured } from "./tortured.ts";

type Report = { stored: number; duplicates: number };

/** How publishing went, over all batches. */
export type Fed = {
  acknowledged: Set<string>;
  /** Publishers that gave up and were started again, by reason. */
  givenUp: Map<string, number>;
  /** Events that a publisher was told were stored, and that were stored anew when it said them again. */
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
  readonly #tortured: Tortured;
  readonly #words: string;
  readonly #folder: string;
  readonly #signal: AbortSignal;

  /** `words`: how to reach the broker; `folder`: for what is published from a file. */
  constructor(tortured: Tortured, { words, folder }: { words: string; folder: string }, signal: AbortSignal) {
    this.#tortured = tortured;
    this.#words = words;
    this.#folder = folder;
    this.#signal = signal;
  }

  /** Resolves once the broker has acknowledged every event of the batch; rejects when that takes minutes too long. */
  async publish(batch: Batch): Promise<void> {
    const { count, rate } = batch;
    const publishing = await this.#tortured.publish(batch, this.#folder);
    const words = `${publishing} --json ${this.#words}${this.#tortured.words}`;
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
    for (const key of this.#tortured.keysOf(batch)) this.fed.acknowledged.add(key);
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
