import { hopHeader } from "../../telemetry/hop.ts";

/** What every message of a comparison carries, whoever stores it. */
export const bodyBytes = 120;

/** The two headers that an event in the log has, with typical values. */
export const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
export const hop = "c=204817;d=1;r=1760000000000417;s=31;e=274";

/** A fresh object each time: no way may prepare its headers once for all messages. */
export const eventHeaders = (): Record<string, string> => ({ traceparent, [hopHeader]: hop });

export const createdSubject = (index: number): string => `ORDERS.created.o${index}`;
