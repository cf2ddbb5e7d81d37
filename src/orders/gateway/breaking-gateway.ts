import type { WatchCall, WatchHold } from "../../flow/handler.ts";
import type { Breaker } from "./breaker.ts";
import type { PaymentGateway } from "./gateway.ts";

type Watched = { signal: AbortSignal; watch?: WatchCall; watchHold?: WatchHold };

/**
 * Calls another gateway while `breaker` is closed and waits while it is open, for as long as that takes: an outage
 * rejects only the calls that fail before it opens.
 */
export function createBreakingGateway(gateway: PaymentGateway, breaker: Breaker): PaymentGateway {
  const run = <R extends Watched, T>(request: R, call: (request: R) => Promise<T>): Promise<T> => {
    const counted = { ...request, ...countingOn(request.watch) };
    return breaker.run(() => call(counted), request.signal, request.watchHold);
  };
  return {
    charge: (request) => run(request, (counted) => gateway.charge(counted)),
    refund: (request) => run(request, (counted) => gateway.refund(counted)),
  };
}

/** What is called again after an outage goes on counting its calls. */
function countingOn(watch: WatchCall | undefined): { watch?: WatchCall } {
  if (!watch) return {};
  let calls = 0;
  return {
    watch: (operation) => {
      calls += 1;
      return watch(operation, calls);
    },
  };
}
