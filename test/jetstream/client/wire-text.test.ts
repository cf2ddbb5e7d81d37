import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { FrameWriter } from "../../../src/jetstream/client/frame-writer.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";
import { createLog } from "../streams/subject-log.ts";

/** What would be written to the socket, as text. */
function capture() {
  const written: string[] = [];
  const protocol = { sendCommand: (bytes: Buffer) => written.push(bytes.toString("latin1")) };
  const frames = new FrameWriter({ protocol, isClosed: () => false } as unknown as Connection["nats"]);
  return { frames, written };
}

const payload = Buffer.from("hello");
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[a-z.*> \r\n\t]{0,12}$/),
  fc.constantFrom(
    "a\r\nPUB b 0\r\n",
    "a b",
    "a..b",
    ".a",
    "a.",
    "a.*",
    ">",
    "a.>.b",
    "a\u0000",
    "a\u007f",
    "ａ",
  ),
);

it("writes one line of a subject and a reply each, or nothing", () => {
  fc.assert(
    fc.property(hostile, hostile, (subject, reply) => {
      const { frames, written } = capture();
      try {
        frames.write({ subject, reply, headers: "", payload });
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "bad_message", source: "message" });
      }
      frames.flush();
      const text = written.join("");
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be in a line
      if (text !== "") expect(text).toMatch(/^PUB [^\x00-\x20\x7f]+ [^\x00-\x20\x7f]+ 5\r\nhello\r\n$/);
    }),
    { numRuns: 2000 },
  );
});

it.each([
  ["a subject with a line break", { subject: "LINES.a\r\nPUB LINES.c 0\r\n\r\n" }],
  ["a subject with a blank", { subject: "LINES.a b" }],
  ["a subject with a wildcard", { subject: "LINES.*" }],
  ["a header with a line break", { headers: { Note: "x\r\nNats-Rollup: all" } }],
  ["a header's name with a colon", { headers: { "Nats-Rollup: all\r\nNote": "x" } }],
])("refuses %s, and goes on with what is well-formed", async (_, hostileParts) => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  const notes: string[] = [];
  const connection = await openTestConnection(broker.url, {}, (note) => notes.push(note));
  onTestFinished(() => connection.close());
  await createLog(connection, "LINES");
  const publisher = new Publisher(connection);
  onTestFinished(() => publisher.close());
  const bad = publisher.publish({ subject: "LINES.a", payload, ...hostileParts });
  const good = publisher.publish({ subject: "LINES.b", payload });
  await expect(bad).rejects.toMatchObject({ code: "bad_message", source: "message" });
  expect(await good).toEqual({ sequence: 1, duplicate: false });
  // A broker that cannot read ends the connection.
  expect(notes).toEqual([]);
});

it("rejects what was under way when the broker cannot read it, instead of sending it again for ever", async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  const connection = await openTestConnection(broker.url);
  onTestFinished(() => connection.close());
  const publisher = new Publisher(connection, { ackWaitMs: 60_000 });
  onTestFinished(() => publisher.close());
  // Takes messages and answers nobody.
  connection.nats.subscribe("SILENT.*", { callback: () => {} });
  const publication = publisher.publish({ subject: "SILENT.a", payload });
  const { protocol } = connection.nats as unknown as { protocol: { sendCommand(text: string): void } };
  connection.frames.flush();
  protocol.sendCommand("NONSENSE\r\n");
  await expect(publication).rejects.toMatchObject({
    code: "internal",
    isUncertain: true,
    message: expect.stringContaining("could not read what was sent"),
  });
});
