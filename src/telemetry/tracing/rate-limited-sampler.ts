import { type Sampler, SamplingDecision, type SamplingResult } from "@opentelemetry/sdk-trace";

const yes: SamplingResult = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const no: SamplingResult = { decision: SamplingDecision.NOT_RECORD };

/**
 * Samples at most `perSecond` traces per second, by a token bucket that holds a tenth of them, which spreads the traces
 * over a busy second. For root spans only: wrapped in a `ParentBasedSampler`, other spans follow their parent.
 */
export class RateLimitedSampler implements Sampler {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #nowMs: () => number;
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, nowMs: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
    this.#burst = Math.max(1, perSecond / 10);
    this.#tokens = this.#burst;
    this.#filledAtMs = nowMs();
  }

  shouldSample(): SamplingResult {
    const now = this.#nowMs();
    const earned = ((now - this.#filledAtMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#filledAtMs = now;
    if (this.#tokens < 1) return no;
    this.#tokens -= 1;
    return yes;
  }

  toString(): string {
    return `RateLimitedSampler{${this.#perSecond}/s}`;
  }
}
