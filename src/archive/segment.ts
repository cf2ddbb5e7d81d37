import type { Flow } from "../flow/flow.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { SegmentFile } from "./segment-store.ts";

type Row = { subject: string; sequence: number; storedAtUs: number; payload: string };

/** Stand-in: JSON. */
export const buildSegment = async (_flow: Flow, messages: readonly StreamMessage[]): Promise<Uint8Array> =>
  Buffer.from(
    JSON.stringify(
      messages.map(({ subject, sequence, storedAtUs, payload }) => ({
        subject,
        sequence,
        storedAtUs,
        payload: Buffer.from(payload).toString("base64"),
      })),
    ),
  );

export class SegmentReader {
  readonly #rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
  }

  static async open(file: SegmentFile): Promise<SegmentReader> {
    return new SegmentReader(JSON.parse(Buffer.from(await file.read(0, file.bytes)).toString()));
  }

  async readKey(key: string): Promise<StreamMessage[]> {
    return (await this.readAll()).filter(({ subject }) => subject.endsWith(`.${key}`));
  }

  async readBySequence(sequence: number): Promise<StreamMessage | undefined> {
    return (await this.readAll()).find((message) => message.sequence === sequence);
  }

  async readAll(): Promise<StreamMessage[]> {
    return this.#rows.map((row) => ({
      ...row,
      payload: Buffer.from(row.payload, "base64"),
      header: () => undefined,
      headers: () => ({}),
    }));
  }
}
