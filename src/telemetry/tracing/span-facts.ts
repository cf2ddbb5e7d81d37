import type { Attributes, Span } from "./span.ts";
import { attribute } from "./span-names.ts";

/** An attribute that is a non-empty text, else undefined. */
export function textOf(attributes: Attributes, name: string): string | undefined {
  const value = attributes[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** An attribute that is a number or was sent as a number in text, else undefined. */
export function numberOf(attributes: Attributes, name: string): number | undefined {
  const value = attributes[name];
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

export const isFailed = ({ status }: Span): boolean => status.code === "ERROR";

/** Why a span failed, as far as it tells: `timeout: no answer within 2 s`; `null` if it did not fail. */
export function errorOf({ status, attributes, events }: Span): string | null {
  if (status.code !== "ERROR") return null;
  const exception = events.find(({ name }) => name === "exception")?.attributes ?? {};
  const type = textOf(attributes, attribute.errorType) ?? textOf(exception, "exception.type") ?? "";
  const message = status.message || textOf(exception, "exception.message") || "";
  if (message === "") return type || "error";
  return type === "" || message.startsWith(type) ? message : `${type}: ${message}`;
}

/** The service that made the span; in a process that runs several services, the one that did the work. */
export const serviceOf = ({ attributes, resource }: Span): string | null =>
  textOf(attributes, attribute.service) ?? textOf(resource, "service.name") ?? null;

export const instanceOf = ({ resource }: Span): string | null =>
  textOf(resource, "service.instance.id") ?? textOf(resource, "host.name") ?? null;

/** A key for the process, and so for the clock, that made a span. */
export function processOf(span: Span): string {
  const own = textOf(span.resource, "service.instance.id");
  if (own !== undefined) return own;
  const parts = ["service.name", "host.name", "process.pid"].map((name) => span.resource[name] ?? "");
  return parts.join(" ").trimEnd();
}

/** Whether the span only acknowledges a message (ack, nak or term), which is no work of its own. */
export const isSettling = ({ attributes }: Span): boolean =>
  textOf(attributes, attribute.operationType) === "settle";

/** The circuit breaker that the span waits for; undefined for any other span. */
export const breakerOf = ({ attributes }: Span): string | undefined => textOf(attributes, attribute.breaker);

/**
 * What a span of a call by one of orderctl's services called (`gateway charge` → `gateway`); undefined for any other.
 */
export const calleeIn = ({ name, attributes }: Span): string | undefined =>
  numberOf(attributes, attribute.callAttempt) === undefined ? undefined : name.split(" ")[0];
