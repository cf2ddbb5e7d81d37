import { ExponentialBackoff, handleWhen, type IRetryContext, retry } from "cockatiel";
import { OrderctlError } from "../../core/errors.ts";
import type { WatchCall, WatchedCall } from "../../flow/handler.ts";
import type { Operation, PaymentGateway } from "./gateway.ts";

export type Retries = {
  /** Calls for one charge or refund before it counts as failed. */
  attempts: number;
  /** The pause before the second call; doubles each time, with jitter. */
  backoffMs: number;
};

type Watched = { signal: AbortSignal; watch?: WatchCall };

/**
 * Calls another gateway, and again if a call fails, which is safe because of the idempotency key. Rejects with the last
 * call's error, and at once when the signal aborts. `watch` is told of each call.
 */
export function createRetryingGateway(
  gateway: PaymentGateway,
  { attempts, backoffMs }: Retries,
): PaymentGateway {
  const isTechnical = handleWhen((error) => error.name !== "AbortError");
  const policy = retry(isTechnical, {
    maxAttempts: attempts - 1,
    backoff: new ExponentialBackoff({ initialDelay: backoffMs }),
  });
  const patiently = <R extends Watched, T>(
    operation: Operation,
    request: R,
    call: (request: R) => Promise<T>,
  ): Promise<T> =>
    policy.execute(({ attempt }: IRetryContext) => {
      const watch = request.watch?.(operation, attempt + 1);
      return watched(watch, () => call(watch?.headers ? { ...request, headers: watch.headers } : request));
    }, request.signal);
  return {
    charge: (request) => patiently("charge", request, (again) => gateway.charge(again)),
    refund: (request) => patiently("refund", request, (again) => gateway.refund(again)),
  };
}

async function watched<T>(call: WatchedCall | undefined, work: () => Promise<T>): Promise<T> {
  try {
    const answer = await work();
    call?.end();
    return answer;
  } catch (thrown) {
    call?.end(OrderctlError.from(thrown));
    throw thrown;
  }
}
