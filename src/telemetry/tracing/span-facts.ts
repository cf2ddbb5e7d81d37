import type { Attributes, Span } from "./span.ts";
import { attribute } from "./span-names.ts";

/** An attribute that is text, or undefined. */
export function textOf(attributes: Attributes, name: string): string | undefined {
  const value = attributes[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** An attribute that is a number, also where it was sent as text; else undefined. */
export function numberOf(attributes: Attributes, name: string): number | undefined {
  const value = attributes[name];
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

export const isFailed = ({ status }: Span): boolean => status.code === "ERROR";

/** Why a span failed: `timeout: no answer within 2 s`, as far as it says; `null` where it did not fail. */
export function errorOf({ status, attributes, events }: Span): string | null {
  if (status.code !== "ERROR") return null;
  const exception = events.find(({ name }) => name === "exception")?.attributes ?? {};
  const type = textOf(attributes, attribute.errorType) ?? textOf(exception, "exception.type") ?? "";
  const message = status.message || textOf(exception, "exception.message") || "";
  if (message === "") return type || "error";
  return type === "" || message.startsWith(type) ? message : `${type}: ${message}`;
}

/** The service that did it: of a process that runs several, the one. */
export const serviceOf = ({ attributes, resource }: Span): string | null =>
  textOf(attributes, attribute.service) ?? textOf(resource, "service.name") ?? null;

export const instanceOf = ({ resource }: Span): string | null =>
  textOf(resource, "service.instance.id") ?? textOf(resource, "host.name") ?? null;

/** What tells the process, and so the clock, of one span from that of another. */
export function processOf(span: Span): string {
  const own = textOf(span.resource, "service.instance.id");
  if (own !== undefined) return own;
  const parts = ["service.name", "host.name", "process.pid"].map((name) => span.resource[name] ?? "");
  return parts.join(" ").trimEnd();
}

/** Acknowledging a message: no work of its own. */
export const isSettling = ({ attributes }: Span): boolean =>
  textOf(attributes, attribute.operationType) === "settle";

/** The circuit breaker for which the span is a wait; undefined for any other span. */
export const breakerOf = ({ attributes }: Span): string | undefined => textOf(attributes, attribute.breaker);

/** A call of the payment gateway by one of our services. */
export const isGatewayCall = ({ attributes }: Span): boolean =>
  numberOf(attributes, attribute.callAttempt) !== undefined;
