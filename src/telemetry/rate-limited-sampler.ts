import { type Sampler, SamplingDecision, type SamplingResult } from "@opentelemetry/sdk-trace";

const yes: SamplingResult = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const no: SamplingResult = { decision: SamplingDecision.NOT_RECORD };

/**
 * Samples at most `perSecond` traces per second, with a burst of as many: a token bucket. For roots; what follows
 * them is to be decided by the parent.
 */
export class RateLimitedSampler implements Sampler {
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, nowMs: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
    this.#tokens = perSecond;
    this.#filledAtMs = nowMs();
  }

  shouldSample(): SamplingResult {
    const now = this.#nowMs();
    const earned = ((now - this.#filledAtMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + earned);
    this.#filledAtMs = now;
    if (this.#tokens < 1) return no;
    this.#tokens -= 1;
    return yes;
  }

  toString(): string {
    return `RateLimitedSampler{${this.#perSecond}/s}`;
  }
}
