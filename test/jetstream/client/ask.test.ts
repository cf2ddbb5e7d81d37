import { expect, it, onTestFinished } from "vitest";
import { answer, ask, askAll, inboxForm } from "../../../src/jetstream/client/ask.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";

async function openBoth(extraConfig = "", credentials = {}) {
  const broker = await startTestBroker({ extraConfig });
  const one = await openTestConnection(broker.url, credentials);
  const other = await openTestConnection(broker.url, credentials);
  onTestFinished(async () => {
    await one.close();
    await other.close();
    await broker.stop();
  });
  return { broker, one, other };
}

it("brings the answer of another program, as it is at that moment", async () => {
  const { one, other } = await openBoth();
  let said = "first";
  const answering = answer(one, { subject: "who.is.there", replyTo: inboxForm }, () => said);
  await one.nats.flush();
  expect(await ask(other, "who.is.there", 1000)).toBe("first");
  said = "second";
  expect(await ask(other, "who.is.there", 1000)).toBe("second");
  answering.stop();
  await one.nats.flush();
  expect(await ask(other, "who.is.there", 1000)).toBeUndefined();
});

it.each([
  "ORDERS.payments.o1",
  "$JS.API.STREAM.PURGE.ORDERS",
  "orderctl.answers.x",
  "_R_x.y",
  "x._INBOX.y",
])("writes nothing to %s, which is no inbox, whoever asks for an answer there", async (reply) => {
  const { one, other } = await openBoth();
  const heard: string[] = [];
  other.nats.subscribe(">", {
    callback: (_, { subject, data }) => void (data.length > 0 && heard.push(subject)),
  });
  answer(one, { subject: "who.is.there", replyTo: inboxForm }, () => "me");
  await one.nats.flush();
  other.nats.publish("who.is.there", undefined, { reply });
  other.nats.publish("who.is.there");
  await other.nats.flush();
  expect(await ask(other, "who.is.there", 1000)).toBe("me");
  expect(heard.filter((subject) => !subject.startsWith("_INBOX."))).toEqual([]);
});

it("is undefined where somebody listens and does not answer in time", async () => {
  const { one, other } = await openBoth();
  one.nats.subscribe("who.is.there", { callback: () => {} });
  await one.nats.flush();
  expect(await ask(other, "who.is.there", 50)).toBeUndefined();
});

it("is undefined where asking is not allowed, or the connection is closed", async () => {
  const permissions = `{ publish: { deny: "who.>" } }`;
  const config = `authorization { users: [{ user: u, password: p, permissions: ${permissions} }] }`;
  const { broker, other } = await openBoth(config, { user: "u", password: "p" });
  expect(await ask(other, "who.is.there", 1000)).toBeUndefined();
  const closed = await openTestConnection(broker.url, { user: "u", password: "p" });
  await closed.close();
  expect(await ask(closed, "who.is.there", 1000)).toBeUndefined();
});

it("leaves nothing behind of a question to all", async () => {
  const { one, other } = await openBoth();
  answer(one, { subject: "who.is.there", replyTo: /^answers\./ }, () => "me");
  await one.nats.flush();
  let listening = 0;
  const onDenied: typeof other.onDenied = (callback) => {
    const stop = other.onDenied(callback);
    listening += 1;
    return () => {
      stop();
      listening -= 1;
    };
  };
  const question = { subject: "who.is.there", replyTo: "answers.1", quietMs: 50 };
  expect(await askAll({ ...other, onDenied }, question)).toEqual({ texts: ["me"], refused: 0, isCut: false });
  expect(listening).toBe(0);
});

const toAll = { subject: "who.is.there", replyTo: "answers.1", quietMs: 100 };

// One who answered every 100 ms used to keep who asked for ever.
it("ends after ten times the quiet, however long somebody goes on answering", async () => {
  const { one, other } = await openBoth();
  let dripping: NodeJS.Timeout | undefined;
  one.nats.subscribe("who.is.there", {
    callback: (_, message) => {
      dripping = setInterval(() => message.respond("x"), 20);
    },
  });
  await one.nats.flush();
  const { texts, isCut } = await askAll(other, toAll);
  clearInterval(dripping);
  expect(isCut).toBe(true);
  expect(texts.length).toBeGreaterThan(10);
});

it("ends when it is told to", async () => {
  const { one, other } = await openBoth();
  const abort = new AbortController();
  one.nats.subscribe("who.is.there", { callback: () => abort.abort() });
  await one.nats.flush();
  expect(await askAll(other, { ...toAll, quietMs: 3_600_000, signal: abort.signal })).toMatchObject({
    texts: [],
  });
});

// They used to be kept, 631 MB of them.
it("keeps no more than 5,000 answers, and none that is longer than any process says", async () => {
  const { one, other } = await openBoth();
  one.nats.subscribe("who.is.there", {
    callback: (_, message) => {
      message.respond("x".repeat(300_000));
      for (let n = 0; n < 20_000; n += 1) message.respond("x");
    },
  });
  await one.nats.flush();
  const { texts, ...others } = await askAll(other, { ...toAll, quietMs: 5000 });
  expect({ texts: texts.length, ...others }).toEqual({ texts: 4999, refused: 1, isCut: true });
});
