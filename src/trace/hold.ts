/** What a wait for a circuit breaker is called: `waiting for PaymentService (breaker)`. */
export const describeHold = (breaker: string | null): string =>
  `waiting for ${breaker ?? "a service"} (breaker)`;
