import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../../core/errors.ts";
import { RetryLater } from "../../jetstream/consume/retry-later.ts";
import type { HandlerContext } from "../handler.ts";
import type { CallOptions, EffectCall } from "./types.ts";

const defaultTimeoutMs = 10_000;
const defaultAttempts = 3;
const firstBackoffMs = 100;

export type Effect<R> = (io: EffectCall) => Promise<R> | R;

type Calling = {
  name: string;
  idempotencyKey: string;
  context: Pick<HandlerContext, "signal" | "watchCall">;
};

/** Calls another system as `FlowContext.call` promises. */
export async function callEffect<R>(
  calling: Calling,
  effect: Effect<R>,
  { attempts = defaultAttempts, timeoutMs = defaultTimeoutMs }: CallOptions,
): Promise<R> {
  mustBePositive(calling.name, { attempts, timeoutMs });
  const { signal } = calling.context;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce(calling, effect, { attempt, timeoutMs });
    } catch (thrown) {
      if (attempt >= attempts || signal.aborted || isFinal(thrown)) throw thrown;
      const pauseMs = firstBackoffMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
      await wait(pauseMs, undefined, { signal });
    }
  }
}

function mustBePositive(name: string, numbers: Readonly<Record<string, number>>): void {
  for (const [what, value] of Object.entries(numbers))
    if (!(value > 0))
      throw new OrderctlError("unprocessable", `${name}: ${what} is ${value}`, { source: "message" });
}

/** Nothing of it outlives the attempt: neither a timer nor a listener on the worker's signal, which lasts for days. */
async function attemptOnce<R>(
  { name, idempotencyKey, context }: Calling,
  effect: Effect<R>,
  { attempt, timeoutMs }: { attempt: number; timeoutMs: number },
): Promise<R> {
  const own = new AbortController();
  const stop = () => own.abort(context.signal.reason);
  const timer = setTimeout(() => own.abort(tookTooLong(name, timeoutMs)), timeoutMs);
  if (context.signal.aborted) stop();
  else context.signal.addEventListener("abort", stop, { once: true });
  const watched = context.watchCall(name, attempt);
  try {
    const io = { idempotencyKey, signal: own.signal, attempt, headers: watched.headers ?? {} };
    const result = await Promise.race([effect(io), aborted(own.signal)]);
    watched.end();
    return result;
  } catch (thrown) {
    const error = own.signal.aborted ? endOf(own.signal) : effectError(name, thrown);
    watched.end(error);
    throw error;
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener("abort", stop);
  }
}

const tookTooLong = (name: string, timeoutMs: number): OrderctlError =>
  new OrderctlError("timeout", `${name}: no answer within ${timeoutMs / 1000} s`, { source: "dependency" });

const endOf = ({ reason }: AbortSignal): OrderctlError =>
  reason instanceof OrderctlError
    ? reason
    : new OrderctlError("interrupted", "given up: the work is to stop", { cause: reason });

/** Errors of orderctl's own keep what they say of themselves; what an effect throws is its own. */
function effectError(name: string, thrown: unknown): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new OrderctlError("unavailable", `${name}: ${message}`, { cause: thrown, source: "dependency" });
}

/** What asks to end the delivery is no failure of the call. */
const isFinal = (thrown: unknown): boolean =>
  thrown instanceof RetryLater || (thrown instanceof OrderctlError && thrown.source === "message");

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
