import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { testFlow } from "orderctl/testing";
import { MailServer } from "./mail-server.ts";
import mailer from "./mailer.ts";

const server = new MailServer();
let test: Awaited<ReturnType<typeof start>>;
/** Called with each line that `serve` would log. */
let onNote: (text: string) => void = () => {};

const start = () => testFlow(mailer, { note: (text) => onNote(text) });

/** One broker, one mail server: the orders of each test have customers of their own. */
before(async () => {
  await server.open(0);
  process.env.SMTP_URL = server.url;
  test = await start();
});

after(async () => {
  await test.stop();
  await server.close();
});

const order = (orderId: string, { customerId = orderId, quantity = 1 } = {}) => ({
  ...{ orderId, customerId, createdAtUs: null },
  lines: [{ sku: "MUG-010", quantity, unitPriceMinor: 425 }],
  total: { amountMinor: 425 * quantity, currency: "GBP" },
});

const mailsTo = (customerId: string) =>
  server.mails.filter(({ to }) => to === `${customerId}@customers.example`);

/** Resolves once a line that has this text would be logged. */
const noted = (part: string) =>
  new Promise<void>((resolve) => {
    onNote = (text) => text.includes(part) && resolve();
  });

/** What was stored of an order that has ended. */
async function told(orderId: string): Promise<object | undefined> {
  const last = (await test.ended(orderId)).at(-1);
  assert.equal(last?.kind, "notifications");
  return last.data;
}

it("mails a customer whose order is on its way, and says so in the log", async () => {
  await test.publish(order("A-1"));
  assert.deepEqual(await told("A-1"), { orderId: "A-1", type: "SHIPPED", channel: "email" });
  assert.deepEqual(mailsTo("A-1"), [
    {
      to: "A-1@customers.example",
      subject: "Your order A-1 is on its way",
      messageId: "<orders/notification/shipments/A-1/smtp@shop.example>",
    },
  ]);
});

it("mails a customer who gets the money back, and one whose bank refuses", async () => {
  await test.publish(order("A-2", { quantity: 2_000_000 }));
  // The gateway that tests have declines one order in fifty, by its id.
  await test.publish(order("A-18"));
  assert.deepEqual(await told("A-2"), { orderId: "A-2", type: "REFUNDED", channel: "email" });
  assert.deepEqual(await told("A-18"), {
    ...{ orderId: "A-18", type: "DECLINED" },
    channel: "email",
  });
  const subjects = [...mailsTo("A-2"), ...mailsTo("A-18")].map(({ subject }) => subject);
  assert.deepEqual(subjects, ["Your order A-2 is sold out", "Your order A-18 was not paid"]);
});

it("waits while the mail server is away, and sends every mail then", async () => {
  await server.close();
  const isOpen = noted("notification: open: 6 events failed in a row: smtp: ");
  const all = Array.from({ length: 12 }, (_, index) => order(`B-${index}`));
  const ids = await Promise.all(all.map((each) => test.publish(each)));
  await isOpen;
  assert.equal((await test.events("B-0")).at(-1)?.kind, "shipments");
  await server.open();
  for (const id of ids) await told(id);
  assert.deepEqual(await test.deadLetters(), []);
  assert.deepEqual(
    ids.map((id) => mailsTo(id).length),
    ids.map(() => 1),
  );
});

it("sends no second mail where it was killed between storing and acknowledging", async () => {
  const isKilled = noted("killed between storing and acknowledging");
  test.killAfterStoring("notification");
  await test.publish(order("C-1"));
  await isKilled;
  await test.settled();
  await told("C-1");
  assert.equal(mailsTo("C-1").length, 1);
});

it("sends a mail again whose receipt was lost, with the Message-ID of the first", async () => {
  server.cutsNext = true;
  await test.publish(order("D-1"));
  await told("D-1");
  await test.settled();
  const [first, second, ...more] = mailsTo("D-1");
  assert.ok(first);
  assert.deepEqual(second, first);
  assert.deepEqual(more, []);
});

it("gives up at once where there is no such mailbox", async () => {
  const isGivenUp = noted("dead letter");
  await test.publish(order("E-1", { customerId: "nobody" }));
  await isGivenUp;
  const [letter] = await test.deadLetters();
  assert.equal(letter?.service, "notification");
  assert.match(letter.detail, /^nobody@customers\.example: 550 there is no such mailbox/);
});
