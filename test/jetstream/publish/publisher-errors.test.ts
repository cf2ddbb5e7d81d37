import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import type { Publication } from "../../../src/jetstream/publish/publication.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { createLog, textTo } from "../streams/subject-log.ts";

const extraConfig = `
max_payload: 16384
authorization { users: [
  { user: admin, password: secret }
  { user: clerk, password: secret, permissions: { publish: { deny: "SECRET.>" } } }
] }`;

let broker: TestBroker;
let admin: Connection;

beforeAll(async () => {
  broker = await startTestBroker({ extraConfig });
  admin = await openTestConnection(broker.url, { user: "admin", password: "secret" });
});

afterAll(async () => {
  await admin.close();
  await broker.stop();
});

function openPublisher(connection = admin): Publisher {
  const publisher = new Publisher(connection, { backoffMs: 10, ackWaitMs: 2000 });
  onTestFinished(() => publisher.close());
  return publisher;
}

async function expectRefusal(refused: Promise<unknown>, code: string, subject: string) {
  const message = expect.stringContaining(subject);
  await expect(refused).rejects.toMatchObject({ name: "OrderctlError", code, message });
}

it("says no_responders, with the subject, where no stream listens", async () => {
  await expectRefusal(openPublisher().publish(textTo("NOWHERE.a")), "no_responders", "NOWHERE.a");
});

it("stores a message whose stream appears while it is tried again", async () => {
  const publisher = new Publisher(admin, { backoffMs: 1500 });
  onTestFinished(() => publisher.close());
  const stored = publisher.publish(textTo("LATE.a"));
  await createLog(admin, "LATE");
  expect(await stored).toEqual({ sequence: 1, duplicate: false });
});

it.for([
  ["messages", { max_msgs: 2 }],
  ["bytes", { max_bytes: 400 }],
] as const)("says stream_full, with the subject, where the limit of %s is reached, and drops nothing", async ([
  what,
  limit,
], { skip }) => {
  const isOld = what === "bytes" && broker.version.startsWith("2.9.");
  skip(isOld, "nats-server 2.9 leaves subjects out when it adds up bytes, stores, and then drops the oldest");
  const log = `FULL_${what}`;
  await createLog(admin, log, limit);
  const publisher = openPublisher();
  let refused: { subject: string; error: unknown } | undefined;
  for (let index = 0; index < 20 && !refused; index += 1) {
    const subject = `${log}.${index}`;
    const error = await publisher.publish(textTo(subject, "x".repeat(60))).then(
      () => undefined,
      (thrown) => thrown,
    );
    if (error) refused = { subject, error };
  }
  expect(refused?.error).toMatchObject({
    code: "stream_full",
    message: expect.stringContaining(`${refused?.subject}`),
  });
  const { state } = await admin.jsm.streams.info(log);
  expect(refused?.subject).toBe(`${log}.${state.messages}`);
  expect(state.first_seq).toBe(1);
});

it("says too_large, with the subject, where the stream takes no message of that size", async () => {
  await createLog(admin, "SMALL", { max_msg_size: 100 });
  await expectRefusal(openPublisher().publish(textTo("SMALL.a", "x".repeat(200))), "too_large", "SMALL.a");
});

// The broker used to end the connection over such a line, and the publisher to send it again after each reconnect.
it("says too_large where a subject is longer than the broker's protocol has room for, and goes on", async () => {
  await createLog(admin, "LONG");
  const publisher = openPublisher();
  const subject = `LONG.${"x".repeat(4096)}`;
  await expectRefusal(publisher.publish(textTo(subject)), "too_large", subject);
  expect(await publisher.publish(textTo("LONG.a"))).toMatchObject({ sequence: 1 });
});

it("says too_large, with the subject, where the broker takes no message of that size, and goes on", async () => {
  await createLog(admin, "BIG");
  const publisher = openPublisher();
  await expectRefusal(publisher.publish(textTo("BIG.a", "x".repeat(20_000))), "too_large", "BIG.a");
  const headers = { padding: "x".repeat(10_000) };
  const withHeaders: Publication = { ...textTo("BIG.b", "x".repeat(10_000)), headers };
  await expectRefusal(publisher.publish(withHeaders), "too_large", "BIG.b");
  // Its headers used to be counted in characters: the broker then ended the connection, again after each reconnect.
  const wide = { ...textTo("BIG.d", "x".repeat(10_000)), headers: { Note: "\ufffd".repeat(3000) } };
  await expectRefusal(publisher.publish(wide), "too_large", "BIG.d");
  expect(await publisher.publish(textTo("BIG.c"))).toEqual({ sequence: 1, duplicate: false });
});

it("says denied, with the subject, at once where it has no permission, and goes on", async () => {
  await createLog(admin, "SECRET");
  await createLog(admin, "OPEN");
  const clerk = await openTestConnection(broker.url, { user: "clerk", password: "secret" });
  onTestFinished(() => clerk.close());
  const publisher = openPublisher(clerk);
  const startedAt = performance.now();
  const refused = publisher.publish(textTo("SECRET.a"));
  const allowed = publisher.publish(textTo("OPEN.a"));
  await expectRefusal(refused, "denied", "SECRET.a");
  expect(performance.now() - startedAt).toBeLessThan(1500);
  expect(await allowed).toEqual({ sequence: 1, duplicate: false });
});

it("says conflict, with the subject, where the subject has another sequence than expected", async () => {
  await createLog(admin, "CAS", { discard_new_per_subject: false, discard: "old" });
  const publisher = openPublisher();
  const write = (expectedSequence: number) => publisher.publish({ ...textTo("CAS.a"), expectedSequence });
  expect(await write(0)).toEqual({ sequence: 1, duplicate: false });
  await expectRefusal(write(0), "conflict", "CAS.a");
  expect(await write(1)).toEqual({ sequence: 2, duplicate: false });
  await expectRefusal(write(1), "conflict", "CAS.a");
});
