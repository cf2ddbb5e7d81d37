import { operand } from "../core/foreign-text.ts";
import type { Noun } from "../core/noun.ts";
import { formatCount } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import type { DeadLetterDetail } from "./detail.ts";
import { fateOf, shortTime } from "./table.ts";

const dumpedBytes = 256;
const bytesPerLine = 16;

/** First why the message was given up on, then where it came from, its content, and the next commands to type. */
export const deadLetterDetail =
  (noun: Noun) =>
  (letter: DeadLetterDetail, style: Style): string => {
    const { bold, red } = paint(style);
    const subject = letter.orderId === null ? letter.subject : `${noun.one} ${letter.orderId}`;
    const reason = wrapWords(`${letter.reason}: ${letter.detail}`, style.width);
    return [
      `dead letter ${letter.sequence}: ${bold(subject)}`,
      ...reason.map((line) => red(line)),
      "",
      ...facts(letter).map(([name, value]) => `${name.padEnd(10)} ${value}`),
      "",
      ...payloadLines(letter, style),
      "",
      ...nextSteps(letter),
    ].join("\n");
  };

function facts(letter: DeadLetterDetail): [string, string][] {
  const { attempts, service, instance, consumer, stream, subject, storedSequence } = letter;
  const headers = Object.entries(letter.headers).map(([name, value]): [string, string] => [
    "header",
    `${name}: ${value}`,
  ]);
  return [
    ...(attempts === 0
      ? []
      : [
          [
            "given up",
            `${shortTime(letter.at)} after ${deliveries(attempts)}, by ${consumer} (${service}/${instance})`,
          ] satisfies [string, string],
        ]),
    ["stored", `${shortTime(letter.storedAt)} as ${subject}, message ${storedSequence} of ${stream}`],
    ...(letter.redriveOf === null
      ? []
      : [["before", `dead letter ${letter.redriveOf}, which was redriven`] satisfies [string, string]]),
    ...letter.redrives.map(({ by, at }): [string, string] => ["redriven", `${shortTime(at)} by ${by}`]),
    ...fateOf(letter).map((fate): [string, string] => ["now", fate]),
    ...headers,
  ];
}

const deliveries = (attempts: number): string =>
  attempts === 1 ? "the first delivery" : `${formatCount(attempts)} deliveries`;

function payloadLines(letter: DeadLetterDetail, { width }: Style): string[] {
  const { event, fault, payloadBytes, hasPayload } = letter;
  const size = `${formatCount(payloadBytes)} bytes`;
  if (!hasPayload) return [`${size}, too large to be copied: only the log has them`];
  if (event) return [`${size}:`, ...JSON.stringify(event, undefined, 2).split("\n")];
  const bytes = Buffer.from(letter.payloadBase64, "base64");
  const first = bytes.length > dumpedBytes ? `, the first ${dumpedBytes}` : "";
  const why = wrapWords(`${size}${first}; not an event: ${fault}`, width);
  return [...why, ...hexDump(bytes.subarray(0, dumpedBytes))];
}

/** In the format of `hexdump -C`. */
function hexDump(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += bytesPerLine) {
    const line = bytes.subarray(at, at + bytesPerLine);
    const hex = [...line].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = line.toString("latin1").replace(/[^\x20-\x7e]/g, ".");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(bytesPerLine * 3 - 1)}  ${text}`);
  }
  return lines;
}

function nextSteps(letter: DeadLetterDetail): string[] {
  const { orderId, traceId, event } = letter;
  const traced = event ? orderId : null;
  const trace = traced ?? traceId;
  return [
    ...(trace === null ? [] : [`What happened to it: orderctl trace ${operand(trace)}`]),
    ...wayOn(letter),
  ];
}

function wayOn({ sequence, state, event, reason }: DeadLetterDetail): string[] {
  if (state !== "open") return [];
  const away = `Away with it: orderctl dlq purge ${sequence} --yes`;
  if (!event) return [`It would only fail again. ${away}`];
  if (reason === "repeat") return [`There is nothing to do. ${away}`];
  return [`Once more:           orderctl dlq redrive ${sequence}`];
}
