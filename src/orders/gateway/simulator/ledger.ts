import { createReadStream } from "node:fs";
import { type FileHandle, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { OrderctlError } from "../../../core/errors.ts";
import { takeLock } from "../../../core/lock-file.ts";
import type { Note } from "../../../core/note.ts";
import { openPrivateAppend } from "../../../core/private-files.ts";
import type { Operation } from "../gateway.ts";

type Waiting = { id: string; line: string; resolve: () => void; reject: (reason: unknown) => void };

/**
 * What a provider has booked, one entry per operation and idempotency key, in a file of JSON lines that survives a kill
 * -9. Entries added while a write is under way are written together in the next one. Keeps its lines in memory, ~300
 * bytes each.
 */
export class Ledger {
  readonly #file: FileHandle;
  readonly #unlock: () => Promise<void>;
  /** Operation and idempotency key → line, in the order of the file. */
  readonly #lines: Map<string, string>;
  /** Charge id → idempotency key of its refund. */
  readonly #refunds: Map<string, string>;
  readonly #queue: Waiting[] = [];
  #bytes: number;
  #writing: Promise<void> | undefined;

  private constructor(file: FileHandle, { lines, refunds, bytes }: Read, unlock: () => Promise<void>) {
    this.#file = file;
    this.#lines = lines;
    this.#refunds = refunds;
    this.#bytes = bytes;
    this.#unlock = unlock;
  }

  /**
   * Opens a ledger file, or creates it. An incomplete last line, left by a crash before its call was answered, is
   * dropped with a note. Rejects with `conflict` while another process has the file open, and with `bad_message` if a
   * line is not an entry.
   */
  static async open(path: string, note: Note): Promise<Ledger> {
    await mkdir(dirname(path), { recursive: true });
    const unlock = await takeLock(`${path}.lock`, { refuse: inUse(path) });
    const file = await openPrivateAppend(path).catch(async (thrown) => {
      await unlock();
      throw thrown;
    });
    try {
      const read = await readLines(path);
      const torn = (await file.stat()).size - read.bytes;
      if (torn > 0) note(`${path}: dropped the last ${torn} bytes, which a crash has torn`);
      await file.truncate(read.bytes);
      return new Ledger(file, read, unlock);
    } catch (thrown) {
      await file.close();
      await unlock();
      throw thrown;
    }
  }

  get size(): number {
    return this.#lines.size;
  }

  find(operation: Operation, key: string): LedgerEntry | undefined {
    const line = this.#lines.get(idOf(operation, key));
    return line === undefined ? undefined : decodeEntry(line);
  }

  /** The idempotency key under which a charge was refunded. */
  refundOf(chargeId: string): string | undefined {
    return this.#refunds.get(chargeId);
  }

  /**
   * Resolves once the entry is in the file. The caller ensures that no other entry for the same operation and key is
   * being added.
   */
  add(entry: LedgerEntry): Promise<void> {
    const id = idOf(entry.operation, entry.idempotency_key);
    if (this.#lines.has(id)) throw new OrderctlError("internal", `the ledger has an entry for ${id}`);
    return new Promise((resolve, reject) => {
      const written = () => {
        noteRefund(this.#refunds, entry);
        resolve();
      };
      this.#queue.push({ id, line: encodeEntry(entry), resolve: written, reject });
      this.#writing ??= this.#write();
    });
  }

  /** All entries of an operation as JSON lines, in chunks, including entries added during the iteration. */
  *chunks(operation: Operation): Generator<string> {
    const prefix = linePrefix(operation);
    let chunk = "";
    for (const line of this.#lines.values()) {
      if (line.startsWith(prefix)) chunk += `${line}\n`;
      if (chunk.length < 64 * 1024) continue;
      yield chunk;
      chunk = "";
    }
    if (chunk !== "") yield chunk;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
    await this.#unlock();
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      try {
        await this.#append(batch.map(({ line }) => `${line}\n`).join(""));
        for (const { id, line } of batch) this.#lines.set(id, line);
        for (const { resolve } of batch) resolve();
      } catch (thrown) {
        for (const { reject } of batch) reject(thrown);
      }
    }
    this.#writing = undefined;
  }

  /**
   * Truncates the file after a failed write: its calls were not answered, so no part of them may be found at the next
   * start.
   */
  async #append(text: string): Promise<void> {
    try {
      await this.#file.appendFile(text);
      this.#bytes += Buffer.byteLength(text);
    } catch (thrown) {
      await this.#file.truncate(this.#bytes);
      throw thrown;
    }
  }
}

const idOf = (operation: Operation, key: string): string => `${operation} ${key}`;

const inUse =
  (path: string) =>
  (pid: number | undefined): OrderctlError =>
    new OrderctlError("conflict", `${path} is in use by process ${pid ?? "?"}`, {
      hint: `choose another file with --ledger; if there is no such process any more, delete ${path}.lock`,
    });

type Read = { lines: Map<string, string>; refunds: Map<string, string>; bytes: number };

/** If a charge has several refunds, the first one counts. */
function noteRefund(
  refunds: Map<string, string>,
  { operation, charge_id: id, idempotency_key }: LedgerEntry,
): void {
  if (operation === "refund" && id !== undefined && !refunds.has(id)) refunds.set(id, idempotency_key);
}

/** Reads the complete lines; an incomplete last line is left out. */
async function readLines(path: string): Promise<Read> {
  const read: Read = { lines: new Map(), refunds: new Map(), bytes: 0 };
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8")) {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) addLine(read, line, path);
  }
  return read;
}

function addLine(read: Read, line: string, path: string): void {
  const entry = decodeEntry(line);
  const id = entry && idOf(entry.operation, entry.idempotency_key);
  if (!entry || id === undefined || read.lines.has(id)) {
    const reason = id === undefined ? "is no entry of a ledger" : `is a second entry for ${id}`;
    throw new OrderctlError("bad_message", `${path}: line ${read.lines.size + 1} ${reason}`, {
      hint: "choose another file with --ledger, or move this one away",
    });
  }
  read.lines.set(id, line);
  noteRefund(read.refunds, entry);
  read.bytes += Buffer.byteLength(line) + 1;
}

/** One booking, as the file and the HTTP API have it: a charge that was approved or declined, or a refund. */
export type LedgerEntry = {
  operation: Operation;
  idempotency_key: string;
  status: "approved" | "declined" | "refunded";
  charge_id?: string;
  refund_id?: string;
  reason?: string;
  order_id?: string;
  amount_minor: number;
  currency: string;
  /** ISO time. */
  booked_at: string;
};

/** Each line begins with the operation, so that `linePrefix` can select lines without parsing them. */
export const encodeEntry = ({ operation, ...entry }: LedgerEntry): string =>
  JSON.stringify({ operation, ...entry });

/** `undefined` if the line is not an entry of a ledger. */
export function decodeEntry(line: string): LedgerEntry | undefined {
  try {
    const entry: LedgerEntry = JSON.parse(line);
    const isEntry = isOperation(entry.operation) && typeof entry.idempotency_key === "string";
    return isEntry && line.startsWith(linePrefix(entry.operation)) ? entry : undefined;
  } catch {
    return undefined;
  }
}

export const linePrefix = (operation: Operation): string => `{"operation":"${operation}",`;

const isOperation = (value: unknown): value is Operation => value === "charge" || value === "refund";
