import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { runHandler, testFlow } from "orderctl/testing";
import { Bank } from "./bank.ts";
import flow from "./claims.ts";

const bank = new Bank();
let test: Awaited<ReturnType<typeof start>>;
/** Called with each line that `serve` would log. */
let onNote: (text: string) => void = () => {};

const start = () => testFlow(flow, { deps: { bankUrl: bank.url }, note: (text) => onNote(text) });

/** One broker, one bank: the claims of each test have ids of their own. */
before(async () => {
  await bank.open();
  test = await start();
});

after(async () => {
  await test.stop();
  await bank.close();
});

const claim = (claimId: string, amountMinor = 500, currency = "EUR") => ({
  ...{ claimId, amountMinor, currency },
  policy: "p-1",
});

const keyOf = (claimId: string) => `claims/payout/assessed/${claimId}/bank`;

/** The keys with which the bank was asked to pay for claims whose ids begin so. */
const paidFor = (ids: string) =>
  [...bank.bookings.keys()].filter((key) => key.startsWith(keyOf(ids).slice(0, -5)));

/** Resolves once a line that has this text would be logged. */
const noted = (part: string) =>
  new Promise<void>((resolve) => {
    onNote = (text) => text.includes(part) && resolve();
  });

const kindsOf = (events: readonly { kind: string }[]) => events.map(({ kind }) => kind);

it("pays what is covered, and closes it", async () => {
  const id = await test.publish(claim("covered"));
  const events = await test.ended(id);
  assert.deepEqual(kindsOf(events), ["opened", "assessed", "paid", "closed"]);
  const booking = bank.bookings.get(keyOf(id));
  assert.equal(booking?.amountMinor, 500);
  assert.deepEqual(events[2]?.data, { claimId: id, payoutId: booking.payoutId });
});

it("ends with a refusal of what is not covered", async () => {
  const id = await test.publish(claim("small", 300));
  assert.equal((await test.ended(id)).at(-1)?.kind, "assessed");
  assert.deepEqual(paidFor(id), []);
});

for (const mode of ["away", "failing", "cutting"] as const)
  it(`waits while the bank is ${mode}, and has every claim paid once then`, async () => {
    bank.mode = mode;
    const isOpen = noted("claims_payout: open: 6 events failed in a row: bank: ");
    const all = Array.from({ length: 12 }, (_, index) => claim(`${mode}-${index}`));
    const ids = await Promise.all(all.map((each) => test.publish(each)));
    await isOpen;
    for (const id of ids) assert.ok(!kindsOf(await test.events(id)).includes("paid"));
    bank.mode = "open";
    for (const id of ids) assert.equal((await test.ended(id)).at(-1)?.kind, "closed");
    assert.deepEqual(await test.deadLetters(), []);
    assert.deepEqual(paidFor(mode).sort(), ids.map(keyOf).sort());
  });

it("pays once, though it was killed between storing and acknowledging", async () => {
  const isKilled = noted("killed between storing and acknowledging");
  test.killAfterStoring("payout");
  const id = await test.publish(claim("killed"));
  await isKilled;
  await test.settled();
  assert.deepEqual(kindsOf(await test.events(id)), ["opened", "assessed", "paid", "closed"]);
  assert.deepEqual(paidFor(id), [keyOf(id)]);
});

it("gives up at once on what the bank refuses", async () => {
  const isGivenUp = noted("dead letter");
  await test.publish(claim("pounds", 500, "GBP"));
  await isGivenUp;
  const [letter] = await test.deadLetters();
  assert.equal(letter?.service, "payout");
  assert.equal(letter?.detail, "the bank refuses: no payouts in GBP");
});

it("assesses by the amount, without a broker", async () => {
  const assessed = await runHandler(flow, "assess", { kind: "opened", data: claim("f", 301) });
  assert.deepEqual(assessed?.data, {
    ...{ claimId: "f", amountMinor: 301, currency: "EUR" },
    verdict: "COVERED",
  });
});
