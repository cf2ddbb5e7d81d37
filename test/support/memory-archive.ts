import { OrderctlError } from "../../src/core/errors.ts";
import type { ArchivedAudit, ArchivedLog } from "../../src/flow/archived-log.ts";
import { findRepeats } from "../../src/flow/find-repeats.ts";
import type { FlowLog } from "../../src/flow/flow.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { purgeBefore } from "../../src/jetstream/streams/purge.ts";
import { scanStream } from "../../src/jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";

type Segment = ArchivedAudit & { messages: StreamMessage[]; isPruned: boolean };

/** The archive of a log of orders as it looks from outside, in memory. */
export class MemoryArchive implements ArchivedLog {
  readonly log: FlowLog;
  readonly #connection: Connection;
  readonly #segments: Segment[] = [];
  /** What `verify` finds. */
  faults: string[] = [];
  /** While true, messages cannot be read. */
  isDamaged = false;
  /** While true, it is known which keys it has, and nothing can be read of them. */
  isAway = false;
  /** The parts that were read. */
  readonly reads: string[] = [];
  /** The keys that were looked up one by one. */
  readonly lookedUp: string[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    this.log = { connection, flow: orderFlow, archive: this };
  }

  /** Archives what the stream holds up to a sequence, as one segment. The stream goes on to hold it. */
  async moveTo(to: number): Promise<void> {
    const before = this.#segments.at(-1);
    const auditor = orderFlow.audit.open(before?.state);
    const messages: StreamMessage[] = [];
    const start = { sequence: (before?.to ?? 0) + 1 };
    await scanStream(this.#connection, { stream: "ORDERS", start, toSequence: to }, (message) => {
      messages.push(message);
      const { subject, payload, sequence, storedAtUs } = message;
      try {
        auditor.add(orderFlow.decode(subject, payload), sequence, storedAtUs / 1000);
      } catch {
        auditor.addUnreadable(subject, "unreadable", sequence);
      }
    });
    auditor.addRepeats(await findRepeats(this.log, auditor, before?.to ?? 0));
    this.#segments.push({
      from: this.#segments[0]?.from ?? messages[0]?.sequence ?? 1,
      to,
      storedToUs: messages.at(-1)?.storedAtUs ?? before?.storedToUs ?? 0,
      state: auditor.state(),
      file: `memory ${to}.audit`,
      messages,
      isPruned: false,
    });
  }

  /** Removes from the stream what is archived. */
  async purge(): Promise<void> {
    await purgeBefore(this.#connection, "ORDERS", (await this.movedTo()) + 1);
  }

  async moveAndPurge(to: number): Promise<void> {
    await this.moveTo(to);
    await this.purge();
  }

  /** Removes the messages of the first segment. */
  prune(): void {
    const [first] = this.#segments;
    if (first) first.isPruned = true;
  }

  /** Overwrites the state of the last segment. */
  damageState(state: Uint8Array): void {
    const last = this.#segments.at(-1);
    if (last) last.state = state;
  }

  async movedTo(): Promise<number> {
    return this.#segments.at(-1)?.to ?? 0;
  }

  async readKey(key: string): Promise<StreamMessage[]> {
    this.lookedUp.push(key);
    const [found] = this.#messages().filter(({ subject }) => subject.endsWith(`.${key}`));
    this.#mustBeReadable(found?.sequence);
    return this.#messages().filter(({ subject }) => subject.endsWith(`.${key}`));
  }

  async readBySequence(sequence: number): Promise<StreamMessage | undefined> {
    this.#mustBeReadable(sequence);
    return this.#messages().find((message) => message.sequence === sequence);
  }

  async sequenceAt(timeUs: number): Promise<number> {
    return (
      this.#messages().find(({ storedAtUs }) => storedAtUs >= timeUs)?.sequence ?? (await this.movedTo()) + 1
    );
  }

  async *read({ from, to }: { from: number; to: number }): AsyncGenerator<StreamMessage[]> {
    this.reads.push(`${from}-${to}`);
    this.#mustBeReadable(from);
    const pruned = this.#segments.findLast(({ isPruned }) => isPruned);
    if (this.isDamaged || (pruned && from <= pruned.to))
      throw new OrderctlError("unavailable", "memory: a segment cannot be read", { source: "store" });
    const wanted = this.#messages().filter(({ sequence }) => sequence >= from && sequence <= to);
    for (let at = 0; at < wanted.length; at += 3) yield wanted.slice(at, at + 3);
  }

  async hasKeys(keys: readonly string[], to: number): Promise<ReadonlySet<string>> {
    const held = new Set(
      this.#messages()
        .filter(({ sequence }) => sequence <= to)
        .map(({ subject }) => orderFlow.parseSubject(subject)?.key),
    );
    return new Set(keys.filter((key) => held.has(key)));
  }

  async *readKeys(keys: readonly string[], to: number) {
    for (const key of await this.hasKeys(keys, to)) {
      this.lookedUp.push(key);
      const messages = this.#messages().filter(({ subject }) => subject.endsWith(`.${key}`));
      yield { key, messages: messages.filter(({ sequence }) => sequence <= to) };
    }
  }

  async auditState(which?: { storedBeforeUs: number } | "pruned"): Promise<ArchivedAudit | undefined> {
    return this.#segments.findLast(({ isPruned, storedToUs }) => {
      if (which === undefined) return true;
      return which === "pruned" ? isPruned : storedToUs < which.storedBeforeUs;
    });
  }

  async verify(): Promise<{ faults: string[] }> {
    return { faults: this.faults };
  }

  #mustBeReadable(sequence: number | undefined): void {
    const segment = this.#segments.find(({ to }) => sequence !== undefined && sequence <= to);
    if (!segment) return;
    if (this.isAway)
      throw new OrderctlError("unavailable", "memory: cannot read ORDERS.parquet", { source: "store" });
  }

  #messages(): StreamMessage[] {
    return this.#segments.flatMap(({ messages }) => messages);
  }
}
