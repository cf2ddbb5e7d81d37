import { SamplingDecision } from "@opentelemetry/sdk-trace";
import fc from "fast-check";
import { expect, it } from "vitest";
import { RateLimitedSampler } from "../../../src/telemetry/tracing/rate-limited-sampler.ts";

const isSampled = (sampler: RateLimitedSampler) =>
  sampler.shouldSample().decision === SamplingDecision.RECORD_AND_SAMPLED;

it("samples all of a trickle", () => {
  let now = 0;
  const sampler = new RateLimitedSampler(10, () => now);
  for (let index = 0; index < 100; index += 1) {
    now += 101;
    expect(isSampled(sampler)).toBe(true);
  }
});

it("never samples more than its rate and a tenth of a second's at once, whenever traces begin", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 500 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), steps, (perSecond, pauses) => {
      let now = 0;
      const sampler = new RateLimitedSampler(perSecond, () => now);
      let sampled = 0;
      for (const pause of pauses) {
        now += pause;
        if (isSampled(sampler)) sampled += 1;
      }
      expect(sampled).toBeLessThanOrEqual(Math.max(1, perSecond / 10) + (perSecond * now) / 1000 + 1e-6);
    }),
  );
});

it("samples again when time has passed", () => {
  let now = 0;
  const sampler = new RateLimitedSampler(1, () => now);
  expect([isSampled(sampler), isSampled(sampler)]).toEqual([true, false]);
  now += 1000;
  expect(isSampled(sampler)).toBe(true);
});
