import { describe, expect, it } from "vitest";
import { orderFlow } from "../../../src/orders/built-in-flow.ts";
import { filterTrace, type TraceFilter } from "../../../src/trace/filter.ts";
import { buildOrderTrace } from "../../../src/trace/picture.ts";
import { orderTree } from "../../../src/trace/view/order-tree.ts";
import { sinceStart } from "../../support/logged-order.ts";
import * as samples from "../samples.ts";
import { traceId } from "../traced-order.ts";

const narrow = { colour: false, width: 80, unicode: true };
const wide = { ...narrow, width: 140 };

const show = (sample: samples.Sample, filter: TraceFilter = {}, style = narrow): string =>
  orderTree(orderFlow)(
    filterTrace(buildOrderTrace({ flow: orderFlow, ...sample, nowUs: sinceStart(5_200_000) }), filter),
    style,
  );

describe("an order with its spans, in 80 columns", () => {
  it("shipped: shows the request it came with and the call of the gateway", () => {
    expect(show(samples.shipped)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      POST /orders            ██▋                             1.1 ms  201
      └ created                ▒                              300 µs  1 line, USD 8.40
        └ payment               ··▕▓▓▓▓▓▓▓▓▓▓▓▓▎▒             7.4 ms  APPROVED
          ├ gateway charge         ▓▓▓▓▓▓▓▓▓▓▓▓               5.5 ms
          └ reservation                          ·██▊▒        2.1 ms  RESERVED
            └ shipment                                ·▍      1.2 ms  SHIPPED by post
              └ notification                            ·▕▍▒  1.6 ms  SHIPPED by email

      ·· waited 2.9 ms (22%)   ██ worked 2.4 ms (18%)   ▓▓ gateway 5.5 ms (41%)
      ▒▒ storing 2.5 ms (19%)
      41% of 13.2 ms from POST /orders on: gateway charge"
    `);
  });

  it("declined: marks the refusal, which is no failure", () => {
    expect(show(samples.declined)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 DECLINED in 9.5 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                   took
      POST /orders          ██▏                  1.1 ms  201
      └ created              ▒                   300 µs  1 line, USD 8.40
        └ payment             ··▓▓▓▓▓▓▓▓▓▕▏      7.4 ms  ✗ DECLINED insufficient_funds
          ├ gateway charge      ▓▓▓▓▓▓▓▓▓▓       5.5 ms
          └ notification                   ·▉█▎  2.1 ms  DECLINED by email

      ·· waited 1.7 ms (16%)   ██ worked 1.9 ms (19%)   ▓▓ gateway 5.5 ms (52%)
      ▒▒ storing 1.3 ms (13%)
      52% of 10.4 ms from POST /orders on: gateway charge"
    `);
    expect(show(samples.declined, { errors: true })).toContain("nothing failed");
  });

  it("refunded: shows both calls of the gateway where they were made", () => {
    expect(show(samples.refunded)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 REFUNDED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                         took
      POST /orders              █▉                     1.1 ms  201
      └ created                 ▒                      300 µs  1 line, USD 8.40
        └ payment                ··▓▓▓▓▓▓▓▓▓▏          7.4 ms  APPROVED
          ├ gateway charge         ▓▓▓▓▓▓▓▓▓           5.5 ms
          └ reservation                      ·█▉▒      2.1 ms  ✗ OUT_OF_STOCK SKU-0007
            └ refund                             ▓▏    1.2 ms  REFUNDED USD 8.40
              ├ gateway refund                   ▓     350 µs
              └ notification                      ·▐▒  1.6 ms  REFUNDED by email

      ·· waited 2.9 ms (22%)   ██ worked 2.4 ms (18%)   ▓▓ gateway 5.8 ms (44%)
      ▒▒ storing 2.1 ms (16%)
      41% of 13.2 ms from POST /orders on: gateway charge"
    `);
  });

  it("held by an open breaker: shows the wait as one for the provider, not as the work of payment", () => {
    expect(show(samples.held)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 15.0 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      POST /orders                   ▏                        1.1 ms  201
      └ created                      ▒                        300 µs  1 line, USD 8.40
        └ payment                    ╳░░░░░░░░░░░░░░░░░░░░░▓  15.0 s  APPROVED
          ├ gateway charge ×2        ╳░░░░░░░░░░░░░░░░░░░░░▓  15.0 s  ✗ 1 of 2: unava…
          ├ wait for PaymentService  ░░░░░░░░░░░░░░░░░░░░░░░  15.0 s
          └ reservation                                    ▕  2.1 ms  RESERVED
            └ shipment                                     ▕  1.2 ms  SHIPPED by post
              └ notification                               ▕  1.6 ms  SHIPPED by email

      ·· waited 3.1 ms (<1%)   ░░ waiting for PaymentService (breaker) 15.0 s (100%)
      ██ worked 2.4 ms (<1%)   ▓▓ gateway 4.6 ms (<1%)   ╳╳ failed 650 µs (<1%)
      ▒▒ storing 2.5 ms (<1%)
      100% of the time: waiting for PaymentService (breaker)
      gateway charge: unavailable: the gateway answered 503"
    `);
    const logOnly = { ...samples.held, spans: [] };
    expect(show(logOnly, {}, { ...wide, unicode: false })).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 15.0 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                             took  waited    held  worked  storing  service
      created                                                                                                       publish       1 line, USD 8.40
      \`- payment                ::::::::::::::::::::::::::::::::::::::::#  15.0 s  1.2 ms  15.0 s  5.6 ms   600 us  payment       APPROVED
         \`- reservation                                                 #  2.1 ms  500 us          1.2 ms   400 us  inventory     RESERVED
            \`- shipment                                                 #  1.2 ms  600 us          150 us   450 us  shipping      SHIPPED by post
               \`- notification                                          #  1.6 ms  600 us          300 us   700 us  notification  SHIPPED by email

      .. waited 2.9 ms (<1%)   :: waiting for PaymentService (breaker) 15.0 s (100%)   ## worked 7.3 ms (<1%)   == storing 2.1 ms (<1%)
      100% of the time: waiting for PaymentService (breaker)
      no span of trace 4bf92f3577b34da6a3ce929d0e0e4736 was received, or not yet: this is the log alone"
    `);
  });

  it("charged at the third call: has one row for the three, with why two failed", () => {
    expect(show(samples.retried)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 4.3 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      POST /orders             ▏                              1.1 ms  201
      └ created                ▒                              300 µs  1 line, USD 8.40
        └ payment              ╳╳╳╳╳╳╳╳╳╳╳╳╳·╳╳╳╳╳╳╳╳╳╳╳╳╳╳▓   4.3 s  APPROVED
          ├ gateway charge ×3  ╳╳╳╳╳╳╳╳╳╳╳╳╳·╳╳╳╳╳╳╳╳╳╳╳╳╳╳▓   4.3 s  ✗ 2 of 3: timeo…
          └ reservation                                    ▕  2.1 ms  RESERVED
            └ shipment                                     ▕  1.2 ms  SHIPPED by post
              └ notification                               ▕  1.6 ms  SHIPPED by email

      ·· waited 303 ms (7%)   ██ worked 2.4 ms (<1%)   ▓▓ gateway 5.5 ms (<1%)
      ╳╳ failed 4.0 s (93%)   ▒▒ storing 2.5 ms (<1%)
      100% of the time: gateway charge, 2 of 3 failed
      gateway charge: timeout: the gateway did not answer within 2 s"
    `);
  });

  it("paid at the third delivery: draws the failed ones and the pauses between in its row", () => {
    expect(show(samples.redelivered)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 92.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      POST /orders            ▍                               1.1 ms  201
      └ created               ▒                               300 µs  1 line, USD 8.40
        └ payment ×3          ·╳╳╳╳╳╳······╳╳╳╳╳╳······▕▓    87.4 ms  APPROVED
          ├ gateway charge                              ▓     5.4 ms
          └ reservation                                  ▐    2.1 ms  RESERVED
            └ shipment                                    ▏   1.2 ms  SHIPPED by post
              └ notification                              ▕   1.6 ms  SHIPPED by email

      ·· waited 42.9 ms (46%)   ██ worked 2.5 ms (3%)   ▓▓ gateway 5.4 ms (6%)
      ╳╳ failed 40.0 ms (43%)   ▒▒ storing 2.5 ms (3%)
      44% of the time: waiting for payment-processor
      payment ×3: done at the 3rd delivery; the last that failed: unavailable: the
      gateway answered 503"
    `);
  });

  it("at its third call of the gateway: says what failed so far, without its unfinished parents", () => {
    const text = show(samples.underWay);
    expect(text).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 waiting for payment, 5.2 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9

                                                             took
      POST /orders             ▏                           1.1 ms  201
      └ created                ▒                           300 µs  1 line, USD 8.40
        └ payment              ╳╳╳╳╳╳╳╳╳╳·╳╳╳╳╳╳╳╳╳╳·····   5.2 s  waiting for payment
          └ gateway charge ×2  ╳╳╳╳╳╳╳╳╳╳·╳╳╳╳╳╳╳╳╳╳        4.1 s  ✗ timeout: the gat…

      ·· waited 1.2 s (23%)   ██ worked 600 µs (<1%)   ╳╳ failed 4.0 s (77%)
      ▒▒ storing 300 µs (<1%)
      79% of the time: gateway charge, 2 of 2 failed
      gateway charge: timeout: the gateway did not answer within 2 s"
    `);
    expect(text).not.toContain("parent not received");
  });

  it("from processes whose clocks differ: puts each where it must have been, and says by how much", () => {
    expect(show(samples.skewed)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 12.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9

                                                                took
      POST /orders            ██▋                             1.1 ms  201
      └ created                ▒                              300 µs  1 line, USD 8.40
        └ payment               ··▕▓▓▓▓▓▓▓▓▓▓▓▓▎▒             7.4 ms  APPROVED
          ├ gateway charge         ▓▓▓▓▓▓▓▓▓▓▓▓               5.5 ms
          └ reservation                          ▕██▋▒        2.1 ms  RESERVED
            └ shipment                                ··▍     1.2 ms  SHIPPED by post
              └ notification                            ·▕▍▒  1.6 ms  SHIPPED by email

      ·· waited 3.3 ms (25%)   ██ worked 2.4 ms (18%)   ▓▓ gateway 5.5 ms (41%)
      ▒▒ storing 2.0 ms (15%)
      41% of 13.2 ms from POST /orders on: gateway charge
      payment by pay-1, reservation by stock-2, shipment by ship-3, notification by
      mail-4
      clocks differ by at least 39.5 ms: that of shipping (ship-3) is ahead of the
      broker's, and moved here; 1 other is moved too"
    `);
  });

  // How that looks is in order-tree.test.ts.
  it("without its spans: shows what the log alone knows, and says so", () => {
    const untraced = samples.shipped.logged.map((one) => ({ ...one, trace: undefined }));
    const note = `no span of trace ${traceId} was received, or not yet: this\nis the log alone`;
    expect(show({ ...samples.shipped, spans: [] })).toBe(`${show({ logged: untraced, spans: [] })}\n${note}`);
  });

  it("not sampled: says that this is the log alone", () => {
    const logged = samples.shipped.logged.map((one) => ({
      ...one,
      trace: one.trace && { ...one.trace, sampled: false },
    }));
    expect(show({ logged, spans: [] })).toContain("not sampled for tracing: this is the log alone");
  });
});

describe("what was asked for", () => {
  it("--critical: shows each row's share", () => {
    expect(show(samples.redelivered, { critical: true })).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 92.3 ms, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                         took  share
      POST /orders            ▎                        1.1 ms    <1%  201
      └ created               ▒                        300 µs    <1%  1 line, USD 8.40
        └ payment ×3          ╳╳╳╳╳·····╳╳╳╳╳····▓▕   87.4 ms    88%  APPROVED
          ├ gateway charge                       ▓▓    5.4 ms     6%
          └ reservation                            ▎   2.1 ms     2%  RESERVED
            └ shipment                             ▕   1.2 ms     1%  SHIPPED by post
              └ notification                       ▕   1.6 ms     2%  SHIPPED by email

      ·· waited 42.9 ms (46%)   ██ worked 2.5 ms (3%)   ▓▓ gateway 5.4 ms (6%)
      ╳╳ failed 40.0 ms (43%)   ▒▒ storing 2.5 ms (3%)
      44% of the time: waiting for payment-processor
      payment ×3: done at the 3rd delivery; the last that failed: unavailable: the
      gateway answered 503"
    `);
  });

  it("--errors: shows the way to what failed, and nothing else", () => {
    expect(show(samples.retried, { errors: true })).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 4.3 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      POST /orders             ▏                              1.1 ms  201
      └ created                ▒                              300 µs  1 line, USD 8.40
        └ payment              ╳╳╳╳╳╳╳╳╳╳╳╳╳·╳╳╳╳╳╳╳╳╳╳╳╳╳╳▓   4.3 s  APPROVED
          └ gateway charge ×3  ╳╳╳╳╳╳╳╳╳╳╳╳╳·╳╳╳╳╳╳╳╳╳╳╳╳╳╳▓   4.3 s  ✗ 2 of 3: timeo…

      ·· waited 303 ms (7%)   ██ worked 2.4 ms (<1%)   ▓▓ gateway 5.5 ms (<1%)
      ╳╳ failed 4.0 s (93%)   ▒▒ storing 2.5 ms (<1%)
      100% of the time: gateway charge, 2 of 3 failed
      gateway charge: timeout: the gateway did not answer within 2 s
      3 rows without an error left out"
    `);
    // Seen from the log alone, what was tried again used not to count.
    const retried = show({ ...samples.redelivered, spans: [] }, { errors: true });
    expect(retried).toMatch(/\n└ payment ×3 .*\n/);
    expect(retried).not.toContain("reservation");
    expect(show(samples.shipped, { errors: true }).split("\n").slice(2)).toEqual([
      "",
      "nothing failed: no span has an error, no delivery was tried again after one",
    ]);
  });

  it("--min: leaves out what is shorter and says how much", () => {
    const text = show(samples.shipped, { minMs: 2 });
    expect(text).not.toMatch(/shipment|notification/);
    expect(text).toContain("reservation");
    expect(text).toMatch(/\n2 rows shorter than 2\.0 ms left out$/);
  });
});

describe("on any terminal", () => {
  it("uses 140 columns for the numbers behind the bars", () => {
    expect(show(samples.retried, {}, wide)).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 4.3 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                            took  service       instance
      POST /orders             ▏                          1.1 ms  order         till-9    201
      └ created                ▒                          300 µs  publish       till-9    1 line, USD 8.40
        └ payment              ╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳▓   4.3 s  payment       box-1     APPROVED
          ├ gateway charge ×3  ╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳╳▓   4.3 s  payment       box-1     ✗ 2 of 3: timeout: the gateway did not answer within 2 s
          └ reservation                                ▕  2.1 ms  inventory     box-1     RESERVED
            └ shipment                                 ▕  1.2 ms  shipping      box-1     SHIPPED by post
              └ notification                           ▕  1.6 ms  notification  box-1     SHIPPED by email

      ·· waited 303 ms (7%)   ██ worked 2.4 ms (<1%)   ▓▓ gateway 5.5 ms (<1%)   ╳╳ failed 4.0 s (93%)   ▒▒ storing 2.5 ms (<1%)
      100% of the time: gateway charge, 2 of 3 failed"
    `);
  });

  it("does without anything beyond ASCII", () => {
    for (const sample of Object.values(samples)) {
      if (typeof sample !== "function")
        expect(show(sample, {}, { ...narrow, unicode: false })).toMatch(/^[\n -~]*$/);
    }
    expect(show(samples.retried, {}, { ...narrow, unicode: false })).toMatchInlineSnapshot(`
      "order 0197f3c2-8a41-7c3e-9d55-0242ac120002 SHIPPED in 4.3 s, USD 8.40
      created 2026-03-01 12:00:00.000Z by publish/till-9, handled by box-1

                                                                took
      POST /orders                 #                          1.1 ms  201
      \`- created                   =                          300 us  1 line, USD 8.40
         \`- payment                xxxxxxxxxxxxxxxxxxxxxxxx%   4.3 s  APPROVED
            |- gateway charge x3   xxxxxxxxxxxxxxxxxxxxxxxx%   4.3 s  x 2 of 3: timeo~
            \`- reservation                                 #  2.1 ms  RESERVED
               \`- shipment                                 #  1.2 ms  SHIPPED by post
                  \`- notification                          #  1.6 ms  SHIPPED by email

      .. waited 303 ms (7%)   ## worked 2.4 ms (<1%)   %% gateway 5.5 ms (<1%)
      xx failed 4.0 s (93%)   == storing 2.5 ms (<1%)
      100% of the time: gateway charge, 2 of 3 failed
      gateway charge: timeout: the gateway did not answer within 2 s"
    `);
  });

  it("colours without changing a character", () => {
    const coloured = show(samples.retried, {}, { ...wide, colour: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what colours are made of
    expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(show(samples.retried, {}, wide));
    expect(coloured).toContain("\u001b[33m✗ 2 of 3: timeout");
  });

  it.each([80, 100, 140, 200])("never needs more than %d columns", (width) => {
    for (const sample of Object.values(samples)) {
      if (typeof sample === "function") continue;
      for (const filter of [{}, { errors: true }, { critical: true }]) {
        const lines = show(sample, filter, { ...narrow, width }).split("\n");
        expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
      }
    }
  });
});
