import type { MetricSpec } from "../../telemetry/metrics/metric-specs.ts";
import { createReasons, type Metrics, memo } from "../../telemetry/metrics/metrics.ts";
import type { FlowCounters, FlowShape } from "../flow.ts";
import type { DataEvent } from "./event-codec.ts";

/** Metrics of each defined flow, in addition to those of every flow. */
const specs = {
  callDuration: {
    name: "orderctl.call.duration",
    unit: "s",
    description: "One attempt of a call by a handler (ctx.call); failed ones have an error type",
  },
  ended: {
    name: "orderctl.keys.ended",
    unit: "{key}",
    description: "Keys of the flow that came to their end, by outcome",
  },
  keyDuration: {
    name: "orderctl.key.duration",
    unit: "s",
    description: "From a key's first event in the log to its last",
  },
} as const satisfies Record<string, MetricSpec>;

type Counted = Pick<FlowShape, "name" | "endsWith"> & { outcomeOf(event: DataEvent): string };

/** Calls are counted by the first 50 names, others as `other`: a name may be made of a key. */
export const flowCounters =
  ({ name: flow, endsWith, outcomeOf }: Counted) =>
  (metrics: Metrics): FlowCounters<DataEvent> => {
    const nameOf = createReasons();
    const calls = memo((call: string) =>
      memo((error: string | undefined) =>
        metrics.duration(specs.callDuration, { flow, call, ...(error && { "error.type": error }) }),
      ),
    );
    const ended = memo((outcome: string) => ({
      keys: metrics.counter(specs.ended, { flow, outcome }),
      duration: metrics.duration(specs.keyDuration, { flow, outcome }),
    }));
    return {
      called: (operation, durationMs, error) => calls(nameOf(operation))(error).record(durationMs),
      stored(event, sinceMs) {
        const outcome = outcomeOf(event);
        if (!endsWith(event.kind, outcome)) return;
        const { keys, duration } = ended(outcome.toLowerCase());
        keys.add();
        if (sinceMs !== undefined) duration.record(sinceMs);
      },
    };
  };
