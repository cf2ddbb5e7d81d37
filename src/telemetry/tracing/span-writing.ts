import { type Attributes, type Context, propagation, type Span, SpanStatusCode } from "@opentelemetry/api";
import type { OrderctlError } from "../../core/errors.ts";
import { nowUs } from "../clock.ts";
import { attribute as name } from "./span-names.ts";
import type { TracedMessage } from "./tracing.ts";

/** OpenTelemetry's own clock starts spans at whole milliseconds: too coarse for work of 100 µs. */
export const timeOf = (us: number): [number, number] => [Math.floor(us / 1e6), Math.round((us % 1e6) * 1000)];
export const now = (): [number, number] => timeOf(nowUs());

/** https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ */
export const messageAttributes = (
  { subject, template, service, orderId, bodyBytes }: TracedMessage,
  operation: { name: string; type: string },
): Attributes => ({
  [name.system]: "nats",
  [name.operationName]: operation.name,
  [name.operationType]: operation.type,
  [name.destination]: subject,
  [name.template]: template,
  [name.bodySize]: bodyBytes,
  ...(orderId && { [name.orderId]: orderId }),
  [name.service]: service,
});

/** The headers that hand a context on. */
export function headersFrom(from: Context): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(from, headers);
  return headers;
}

export function fail(span: Span, error: OrderctlError): void {
  span.setAttribute(name.errorType, error.code);
  span.recordException({ name: error.code, message: error.message }, now());
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}
