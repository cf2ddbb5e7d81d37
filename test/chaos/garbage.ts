import { createRandom } from "../../src/orders/generator.ts";

/** The n-th random bytes of a run, 1 to 200 of them. */
export function garbage(seed: number, number: number): Uint8Array {
  const random = createRandom(seed * 1000 + number);
  const length = 1 + Math.floor(200 * random.nextFraction());
  return Uint8Array.from({ length }, () => random.nextInt() & 0xff);
}
