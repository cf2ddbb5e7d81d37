import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { OrderctlError } from "../../core/errors.ts";
import { refundKeyPrefix } from "./gateway.ts";

/** A charge or refund that a provider says it has booked. Declined charges move no money and are left out. */
export type Booked = {
  operation: "charge" | "refund";
  orderId: string;
  /**
   * Age of the booking at `readAt` by the provider's clock. If that clock differs from this process's, the true age may
   * be up to a second higher, because the provider's `date` header has whole seconds.
   */
  ageMs: number;
  /** When the provider answered, by this process's monotonic clock. */
  readAt: number;
};

const pages = { charge: "charges", refund: "refunds" } as const;

/**
 * Reads everything that a gateway has booked, in constant memory: `GET <url>/charges`, then `/refunds`, as JSON lines.
 * Rejects with `unavailable` if the gateway does not answer, and with `bad_message` if a line is not a booking.
 */
export async function* readLedger(url: URL, signal: AbortSignal): AsyncGenerator<Booked> {
  for (const operation of ["charge", "refund"] as const) {
    const page = new URL(`${url.pathname.replace(/\/$/, "")}/${pages[operation]}`, url.origin);
    let number = 0;
    const { lines, nowMs } = await openPage(page, url, signal);
    const readAt = performance.now();
    for await (const line of lines) {
      number += 1;
      const booked = bookedIn(line, operation);
      if (!booked) throw new OrderctlError("bad_message", `${page}: line ${number} is no ${operation}`);
      const { orderId, isMoved, bookedAtMs } = booked;
      if (isMoved) yield { operation, orderId, ageMs: nowMs - bookedAtMs, readAt };
    }
  }
}

/** The lines of a page, and the current time by the provider's clock. */
async function openPage(page: URL, { username, password }: URL, signal: AbortSignal) {
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const headers = username ? { authorization: `Basic ${credentials.toString("base64")}` } : {};
  const response = await fetch(page, { headers, signal }).catch((thrown) => {
    signal.throwIfAborted();
    const { cause = thrown } = thrown;
    throw new OrderctlError("unavailable", `cannot read ${page}: ${cause.message}`, { cause: thrown });
  });
  if (!response.ok || !response.body) {
    throw new OrderctlError("unavailable", `cannot read ${page}: it answers ${response.status}`, {
      hint: "the ledger is read from where `orderctl serve gateway` keeps it",
    });
  }
  const lines = createInterface({ input: Readable.fromWeb(response.body as ReadableStream) });
  return { lines, nowMs: timeOf(response.headers.get("date")) };
}

/**
 * The time in the provider's `date` header. Where this process's clock agrees with it, that clock's time is returned:
 * the header has whole seconds only.
 */
function timeOf(date: string | null): number {
  const ownMs = Date.now();
  const toldMs = Date.parse(date ?? "");
  return Number.isNaN(toldMs) || Math.abs(ownMs - (toldMs + 500)) <= 1000 ? ownMs : toldMs;
}

function bookedIn(
  line: string,
  operation: Booked["operation"],
): { orderId: string; bookedAtMs: number; isMoved: boolean } | undefined {
  try {
    const { idempotency_key: key, status, booked_at: at } = JSON.parse(line);
    const bookedAtMs = Date.parse(at);
    if (typeof key !== "string" || typeof status !== "string" || Number.isNaN(bookedAtMs)) return undefined;
    const orderId =
      operation === "refund" && key.startsWith(refundKeyPrefix) ? key.slice(refundKeyPrefix.length) : key;
    return { orderId, bookedAtMs, isMoved: status !== "declined" };
  } catch {
    return undefined;
  }
}
