import type { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import type { TraceBatch } from "../telemetry/otlp/trace-batches.ts";
import { traceSubject } from "./traces-stream.ts";

export type StoredCounts = { spans: number; messages: number; bytes: number };

/**
 * Stores spans, one message per batch. Messages in flight when the connection to the broker is lost are stored when it
 * is back.
 */
export class SpanStore {
  readonly #connection: Connection;
  readonly #streamMaxBytes: number;
  readonly #publisher: Publisher;
  readonly counts: StoredCounts = { spans: 0, messages: 0, bytes: 0 };

  /** `streamMaxBytes`: the maximum size of a message in the stream. */
  constructor(connection: Connection, streamMaxBytes: number) {
    this.#connection = connection;
    this.#streamMaxBytes = streamMaxBytes;
    this.#publisher = new Publisher(connection);
  }

  get isReady(): boolean {
    return this.#connection.isConnected();
  }

  get maxBatchBytes(): number {
    return Math.min(this.#connection.frames.maxPayloadBytes, this.#streamMaxBytes);
  }

  /**
   * Resolves once the broker has stored all batches. If some fail, rejects with the first error of the `Publisher`,
   * once no batch is in flight any more; the others may be stored.
   */
  store(batches: readonly TraceBatch[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let open = batches.length;
      let failure: OrderctlError | undefined;
      const settle = () => {
        open -= 1;
        if (open > 0) return;
        if (failure) reject(failure);
        else resolve();
      };
      const onFailure = (error: OrderctlError) => {
        failure ??= error;
        settle();
      };
      for (const batch of batches) {
        const onStored = () => {
          this.#count(batch);
          settle();
        };
        const publication = { subject: traceSubject(batch.traceId), payload: batch.payload };
        this.#publisher.send(publication, { resolve: onStored, reject: onFailure });
      }
      if (open === 0) resolve();
    });
  }

  #count({ spans, payload }: TraceBatch): void {
    this.counts.spans += spans;
    this.counts.messages += 1;
    this.counts.bytes += payload.length;
  }

  /** Batches that are not stored yet reject with `interrupted`. */
  close(): void {
    this.#publisher.close();
  }
}
