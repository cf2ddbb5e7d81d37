import { afterEach, vi } from "vitest";
import { startTelemetry, type Telemetry } from "../../src/telemetry/telemetry.ts";

/** What the operator was told in the test at hand. */
export const notes: string[] = [];
let running: Telemetry[] = [];

afterEach(async () => {
  await Promise.all(running.map((telemetry) => telemetry.stop(0)));
  running = [];
  notes.length = 0;
  vi.unstubAllEnvs();
});

/** OpenTelemetry reads the process's own environment. */
export async function startTestTelemetry(
  env: Record<string, string>,
  options: { collector?: string } = {},
): Promise<Telemetry> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const telemetry = await startTelemetry({
    env: process.env,
    service: "payment",
    instance: "box-1",
    version: "0.0.0",
    collector: options.collector,
    tracesPerSecond: 100,
    prometheus: false,
    note: (text) => notes.push(text),
  });
  running.push(telemetry);
  return telemetry;
}

export const tracedMessage = {
  subject: "ORDERS.created.o-1",
  template: "ORDERS.created.{order_id}",
  service: "publish",
  orderId: "o-1",
  bodyBytes: 120,
};

export function traced({ tracing }: Telemetry) {
  if (!tracing) throw new Error("nothing is traced");
  return tracing;
}

export const publishOne = (telemetry: Telemetry) =>
  traced(telemetry).publish(tracedMessage).stored({ sequence: 1, duplicate: false });
