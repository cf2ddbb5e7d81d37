import { describe, expect, it } from "vitest";
import { printableData } from "../../../src/core/foreign-text.ts";
import { orderFlow } from "../../../src/orders/built-in-flow.ts";
import { buildOrderTrace } from "../../../src/trace/picture.ts";
import { orderTree } from "../../../src/trace/view/order-tree.ts";
import { event, ways } from "../../orders/order-log.ts";
import { asForeign, loggedOrder, sinceStart } from "../../support/logged-order.ts";

const narrow = { colour: false, width: 80, unicode: true };
const wide = { ...narrow, width: 140 };
const plain = { ...narrow, unicode: false };
const id = "0197f3c2-8a41-7c3e-9d55-0242ac120002";

const times = [
  { received: -300, finished: -300, stored: 0 },
  { received: 1200, finished: 6800, stored: 7400 },
  { received: 7900, finished: 9100, stored: 9500 },
  { received: 10_100, finished: 10_250, stored: 10_700 },
  { received: 11_300, finished: 11_600, stored: 12_300 },
];
const refused = ways
  .REFUNDED(id)
  .with(2, event("reservations", id, { status: "OUT_OF_STOCK", missingSkus: ["SKU-0007"] }));
const declined = ways
  .DECLINED(id)
  .with(1, event("payments", id, { status: "DECLINED", reason: "insufficient_funds" }));
const workers = ["pay-7d9f8-x2", "stock-55c4b-k1", "ship-0", "mail-0"].map((instance) => ({ instance }));
const severalWorkers = times.map((time, index) => ({ ...time, ...workers[index - 1] }));

const timelineOf = (...[events, at]: Parameters<typeof loggedOrder>) =>
  buildOrderTrace({
    flow: orderFlow,
    logged: loggedOrder(events, at),
    spans: [],
    nowUs: sinceStart(3_207_400),
  });

describe("orderTree", () => {
  it("answers first, then shows the way of a shipped order, in 80 columns", () => {
    expect(orderTree(orderFlow)(timelineOf(ways.SHIPPED(id), times), narrow)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      created                                                         1 line, USD 8.40
      └ payment             ···▉█████████████▊▒               7.4 ms  APPROVED
        └ reservation                          ·▐██▋▒         2.1 ms  RESERVED
          └ shipment                                 ·▍▒      1.2 ms  SHIPPED by post
            └ notification                              ·▐▏▒  1.6 ms  SHIPPED by email

      ·· waited 2.9 ms (24%)   ██ worked 7.3 ms (59%)   ▒▒ storing 2.1 ms (17%)
      46% of the time: the work of payment"
    `);
  });

  it("uses 140 columns for the numbers behind the bars", () => {
    expect(orderTree(orderFlow)(timelineOf(ways.SHIPPED(id), times), wide)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                                     took  waited  worked  storing  service
      created                                                                                                       publish       1 line, USD 8.40
      └ payment             ·····▉███████████████████████▎▒▒                       7.4 ms  1.2 ms  5.6 ms   600 µs  payment       APPROVED
        └ reservation                                       ··█████▎▒              2.1 ms  500 µs  1.2 ms   400 µs  inventory     RESERVED
          └ shipment                                                 ··▐▏▒         1.2 ms  600 µs  150 µs   450 µs  shipping      SHIPPED by post
            └ notification                                                ··▕█▒▒▒  1.6 ms  600 µs  300 µs   700 µs  notification  SHIPPED by email

      ·· waited 2.9 ms (24%)   ██ worked 7.3 ms (59%)   ▒▒ storing 2.1 ms (17%)
      46% of the time: the work of payment"
    `);
  });

  it("draws for 100 columns where there is no width", () => {
    const trace = timelineOf(ways.SHIPPED(id), times);
    const drawnAt = (width: number) => orderTree(orderFlow)(trace, { ...narrow, width });
    expect(drawnAt(Number.POSITIVE_INFINITY)).toBe(drawnAt(100));
  });

  it("does without anything beyond ASCII", () => {
    const text = orderTree(orderFlow)(timelineOf(declined, times), plain);
    expect(text).toMatch(/^[\n -~]*$/);
    expect(text).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 DECLINED in 9.5 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                   took
      created                                            1 line, USD 8.40
      \`- payment          ..#############=       7.4 ms  x DECLINED insufficient_funds
         \`- notification                  .####  2.1 ms  DECLINED by email

      .. waited 1.7 ms (18%)   ## worked 6.8 ms (72%)   == storing 1.0 ms (11%)
      59% of the time: the work of payment"
    `);
  });

  it("marks a refusal by a sign and its reason", () => {
    expect(orderTree(orderFlow)(timelineOf(refused, times), narrow)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 REFUNDED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                         took
      created                                                  1 line, USD 8.40
      └ payment             ··▐██████████▉▒            7.4 ms  APPROVED
        └ reservation                      ·██▌        2.1 ms  ✗ OUT_OF_STOCK SKU-0007
          └ refund                             ·▐▒     1.2 ms  REFUNDED USD 8.40
            └ notification                        ·▋▒  1.6 ms  REFUNDED by email

      ·· waited 2.9 ms (24%)   ██ worked 7.3 ms (59%)   ▒▒ storing 2.1 ms (17%)
      46% of the time: the work of payment"
    `);
  });

  it("draws what an order under way waits for", () => {
    expect(
      orderTree(orderFlow)(timelineOf(ways.SHIPPED(id).slice(0, 2), times), narrow),
    ).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 waiting for inventory, 3.2 s
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                           took
      created                                                    1 line, USD 8.40
      └ payment        ▏                                 7.4 ms  APPROVED
        └ reservation  ································   3.2 s  waiting for inventory

      ·· waited 3.2 s (100%)   ██ worked 5.6 ms (<1%)   ▒▒ storing 600 µs (<1%)
      100% of the time: waiting for inventory-reserver"
    `);
  });

  it("waits for payment's refund where stock was out", () => {
    expect(orderTree(orderFlow)(timelineOf(refused.slice(0, 3), times), narrow)).toMatch(
      / {4}└ refund +·+ +3\.2 s {2}waiting for payment\n/,
    );
  });

  it("names several workers below the tree, or beside it where there is room", () => {
    const timeline = timelineOf(refused, severalWorkers);
    expect(orderTree(orderFlow)(timeline, narrow).split("\n").slice(-2)).toMatchInlineSnapshot(`
      [
        "payment by pay-7d9f8-x2, reservation by stock-55c4b-k1, refund by ship-0,",
        "notification by mail-0",
      ]
    `);
    expect(orderTree(orderFlow)(timeline, wide)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 REFUNDED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9

                                                              took  waited  worked  storing  service       instance
      created                                                                                publish       till-9          1 line, USD 8.40
      └ payment             ··▕█████████████▋▒              7.4 ms  1.2 ms  5.6 ms   600 µs  payment       pay-7d9f8-x2    APPROVED
        └ reservation                         ·▊██▎         2.1 ms  500 µs  1.2 ms   400 µs  inventory     stock-55c4b-k1  ✗ OUT_OF_STOCK SKU-0007
          └ refund                                 ·▐▒      1.2 ms  600 µs  150 µs   450 µs  payment       ship-0          REFUNDED USD 8.40
            └ notification                            ·▐▎▒  1.6 ms  600 µs  300 µs   700 µs  notification  mail-0          REFUNDED by email

      ·· waited 2.9 ms (24%)   ██ worked 7.3 ms (59%)   ▒▒ storing 2.1 ms (17%)
      46% of the time: the work of payment"
    `);
  });

  it("shows repeated deliveries and explains their wait", () => {
    const text = orderTree(orderFlow)(
      timelineOf(
        declined,
        times.map((time, index) => (index === 1 ? { ...time, attempt: 3 } : time)),
      ),
      narrow,
    );
    expect(text).toContain("└ payment ×3 ");
    expect(text).toContain("×3: done at the 3rd delivery; the wait holds the earlier ones");
  });

  it("says openly that clocks differ, and still draws", () => {
    const late = times.map((time, index) =>
      index === 1 ? { ...time, received: -12_000, finished: -6400 } : time,
    );
    const text = orderTree(orderFlow)(timelineOf(declined, late), narrow);
    expect(text).toContain("clocks differ by at least 12.0 ms: a worker's is behind the broker's");
    expect(text).toMatch(/└ payment {9}█+/);
  });

  it("says that the broker's clock was set back meanwhile, and blames no worker for it", () => {
    const dayUs = 24 * 3_600_000_000;
    const after = times.map((time, index) => (index < 2 ? time : { ...time, stored: time.stored - dayUs }));
    const trace = timelineOf(declined, after);
    expect(trace.setBackMs).toBeCloseTo(dayUs / 1000, -2);
    const text = orderTree(orderFlow)(trace, { ...narrow, width: 200 });
    expect(text).toContain("the broker's clock was set back by at least 1d00h");
    expect(text).not.toContain("clocks differ by");
  });

  it("admits what programs without a hop header do not tell", () => {
    const logged = asForeign(loggedOrder(declined, times));
    const foreign = buildOrderTrace({ flow: orderFlow, logged, spans: [], nowUs: sinceStart(1e9) });
    expect(orderTree(orderFlow)(foreign, narrow)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 DECLINED in 9.5 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z

                                                   took
      created                                            1 line, USD 8.40
      └ payment         ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌       7.4 ms  ✗ DECLINED insufficient_funds
        └ notification                    ╌╌╌╌╌  2.1 ms  DECLINED by email

      ╌╌ not told 9.5 ms (100%)
      78% of the time: payment, of which nobody tells more"
    `);
  });

  it("lets no text of the log move the cursor", () => {
    const reason = "\u001b[2Jno\nfunds";
    const nasty = timelineOf(
      [event("created", id), event("payments", id, { status: "DECLINED", reason })],
      times.map((time) => ({ ...time, instance: "\u009b31mbox" })),
    );
    const text = orderTree(orderFlow)(printableData(nasty), narrow);
    expect(text).toContain("✗ DECLINED ?[2Jno?funds");
    expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  });

  it.each([80, 100, 140, 200])("stays within %d columns, long names or not", (width) => {
    const longest = "x".repeat(64);
    const timeline = timelineOf(
      ways.REFUNDED(longest),
      times.map((time, index) => ({ ...time, instance: `ip-10-2-3-${index}-${"y".repeat(40)}` })),
    );
    const lines = orderTree(orderFlow)(timeline, { ...narrow, width }).split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
  });

  it("cuts a long reason rather than the bars or the line", () => {
    const reason = "the_issuing_bank_of_the_card_asks_the_customer_to_call_them";
    const long = declined.with(1, event("payments", id, { status: "DECLINED", reason }));
    const payment = orderTree(orderFlow)(timelineOf(long, times), narrow).split("\n")[5];
    expect(payment).toMatch(/└ payment {9}·+.?█{8,}.* 7\.4 ms {2}✗ DECLINED the_issuing_bank\w*…$/);
    expect(payment).toHaveLength(80);
  });

  it("colours without changing a character", () => {
    const timeline = timelineOf(refused, severalWorkers);
    const coloured = orderTree(orderFlow)(timeline, { ...wide, colour: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what colours are made of
    expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(orderTree(orderFlow)(timeline, wide));
    expect(coloured).toContain("\u001b[31m✗ OUT_OF_STOCK SKU-0007\u001b[39m");
  });
});
