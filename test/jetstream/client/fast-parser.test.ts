import fc from "fast-check";
import { Kind, type MsgArg, Parser, type ParserEvent } from "nats/lib/nats-base-client/parser.js";
import { expect, it } from "vitest";
import { FastParser } from "../../../src/jetstream/client/fast-parser.ts";

const textOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString("latin1");

const told = ({ subject, reply, sid, hdr, size }: MsgArg, data: Uint8Array) => ({
  ...{ subject: textOf(subject), reply: textOf(reply), sid, hdr, size },
  data: textOf(data),
});

const seen = (event: ParserEvent) =>
  event.kind === Kind.MSG && event.msg && event.data
    ? told(event.msg, event.data)
    : { kind: event.kind, data: textOf(event.data) };

/** What the client's own parser makes of the chunks. */
function parsedByClient(chunks: Buffer[]): unknown[] {
  const events: unknown[] = [];
  const parser = new Parser({ push: (event) => void events.push(seen(event)) });
  for (const chunk of chunks) parser.parse(chunk);
  return events;
}

function parsedFast(chunks: Buffer[]): unknown[] {
  const events: unknown[] = [];
  const inner = new Parser({ push: (event) => void events.push(seen(event)) });
  const parser = new FastParser(inner, (message, data) => void events.push(told(message, data)));
  for (const chunk of chunks) parser.parse(chunk);
  return events;
}

function cut(bytes: Buffer, at: number[]): Buffer[] {
  const ends = [...new Set(at.map((end) => end % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, index) => bytes.subarray(start, ends[index] ?? bytes.length));
}

const subject = fc.stringMatching(/^[A-Za-z0-9$_.-]{1,60}$/);
const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const sid = fc.nat({ max: 1_000_000 });

const message = fc
  .tuple(subject, sid, fc.option(subject), body, fc.option(body))
  .map(([to, id, reply, payload, headers]) => {
    const address = [to, id, ...(reply === null ? [] : [reply])].join(" ");
    const total = payload.length + (headers?.length ?? 0);
    const line = headers ? `HMSG ${address} ${headers.length} ${total}` : `MSG ${address} ${total}`;
    return Buffer.concat([
      Buffer.from(`${line}\r\n`),
      headers ?? Buffer.alloc(0),
      payload,
      Buffer.from("\r\n"),
    ]);
  });

const control = fc
  .constantFrom("PING\r\n", "PONG\r\n", "+OK\r\n", "-ERR 'x y'\r\n", 'INFO {"a":"b c"}\r\n')
  .map(Buffer.from);
const stream = fc
  .array(fc.oneof({ weight: 4, arbitrary: message }, control), { maxLength: 20 })
  .map(Buffer.concat);

it("tells what the client's own parser tells, wherever the stream is cut", () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), (bytes, at) => {
      expect(parsedFast(cut(bytes, at))).toEqual(parsedByClient([bytes]));
    }),
    { numRuns: 500 },
  );
});

it("tells it byte by byte as well", () => {
  fc.assert(
    fc.property(stream, (bytes) => {
      const chunks = [...bytes].map((byte) => Buffer.of(byte));
      expect(parsedFast(chunks)).toEqual(parsedByClient([bytes]));
    }),
    { numRuns: 50 },
  );
});

it("takes lines that the broker would not write as the client's parser does", () => {
  for (const line of ["MSG  a  1  2\r\nhi\r\n", "msg a 1 2\r\nhi\r\n", "MSG\ta 1 b 2\r\nhi\r\nPING\r\n"]) {
    expect(parsedFast([Buffer.from(line)])).toEqual(parsedByClient([Buffer.from(line)]));
  }
});

it("fails on what is no protocol, as the client's parser does", () => {
  expect(() => parsedFast([Buffer.from("HTTP/1.1 400\r\n")])).toThrow();
  expect(() => parsedFast([Buffer.from("MSG a b c d e 1\r\n")])).toThrow();
});

it("begins afresh after a reconnect", () => {
  const events: unknown[] = [];
  const inner = () => new Parser({ push: (event) => void events.push(seen(event)) });
  const parser = new FastParser(inner(), (given, data) => void events.push(told(given, data)));
  parser.parse(Buffer.from("MSG a 1 10\r\nhalf"));
  parser.restart(inner());
  parser.parse(Buffer.from("MSG b 1 2\r\nhi\r\nMSG c"));
  parser.restart(inner());
  parser.parse(Buffer.from("MSG d 1 2\r\nhi\r\n"));
  expect(events).toMatchObject([{ subject: "b" }, { subject: "d" }]);
});
