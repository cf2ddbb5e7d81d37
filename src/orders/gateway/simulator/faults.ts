/** The faults of a simulated provider, which may be changed while it runs. */
export type Faults = {
  /** How long each call takes. */
  latency_ms: number;
  /** Share of the calls that are answered with 500, unbooked, 0 to 1. */
  error_share: number;
  /** Share of the calls that are booked and then lose their connection instead of being answered. */
  drop_share: number;
  /** Every call is answered with 503, unbooked. */
  outage: boolean;
  /** No call is booked or answered. */
  hang: boolean;
};

export const noFaults: Faults = { latency_ms: 0, error_share: 0, drop_share: 0, outage: false, hang: false };

const share = { type: "number", minimum: 0, maximum: 1, default: 0 } as const;
const off = { type: "boolean", default: false } as const;

/** A field that is left out means no fault. */
export const faultsSchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    latency_ms: { type: "number", minimum: 0, maximum: 3_600_000, default: 0 },
    error_share: share,
    drop_share: share,
    outage: off,
    hang: off,
  },
} as const;
