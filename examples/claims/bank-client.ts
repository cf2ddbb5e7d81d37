import type { EffectCall } from "orderctl";

export type Payout = { amountMinor: number; currency: string };

/** What the bank says: where its payout is, or why there is none. */
export type Answer = { payoutId: string; refusal?: undefined } | { refusal: string };

/**
 * Asks the bank for a payout. The key is the same each time that this claim's payout is asked for, so the bank pays
 * once. Throws where it has not answered, or has said that it cannot: `ctx.call` then asks again.
 */
export async function payOut(
  bankUrl: string,
  payout: Payout,
  { idempotencyKey, signal, headers }: EffectCall,
): Promise<Answer> {
  const response = await fetch(`${bankUrl}/payouts`, {
    method: "POST",
    signal,
    headers: { ...headers, "content-type": "application/json", "idempotency-key": idempotencyKey },
    body: JSON.stringify(payout),
  });
  if (response.status >= 500 || response.status === 429) throw new Error(`it answers ${response.status}`);
  return (await response.json()) as Answer;
}
