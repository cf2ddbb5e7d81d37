import { defineFlow, every, no } from "orderctl";
import { payOut } from "./bank-client.ts";
import type { Claims } from "./claims.types.ts";

/** What is below the excess of a policy is not covered. */
const excessMinor = 300;

/** Claims are assessed; those that are covered are paid out by the bank, and closed. */
export default defineFlow<Claims>({
  name: "claims",
  key: "claimId",
  proto: "./claims.proto",
  events: {
    opened: {
      type: "claims.v1.Opened",
      sample: (index) => ({
        claimId: `c-${index}`,
        policy: `p-${index % 7}`,
        amountMinor: 100 * (index % 50),
        currency: "EUR",
      }),
    },
    assessed: { type: "claims.v1.Assessed", status: "verdict", refusals: ["REFUSED"] },
    paid: "claims.v1.Paid",
    closed: "claims.v1.Closed",
  },
  audit: [
    every("assessed", "COVERED").endsIn("closed").within("1h"),
    no("paid").without("assessed", "COVERED"),
  ],
})
  .deps(({ env }) => ({ bankUrl: env.BANK_URL ?? "http://127.0.0.1:8085" }))
  .service("assess", {
    on: "opened",
    emits: ["assessed"],
    effects: "none",
    handle: ({ data: { amountMinor, currency } }, ctx) =>
      ctx.emit("assessed", {
        verdict: amountMinor > excessMinor ? "COVERED" : "REFUSED",
        amountMinor,
        currency,
      }),
  })
  .service("payout", {
    on: "assessed",
    when: "COVERED",
    emits: ["paid"],
    async handle({ data: { amountMinor, currency } }, ctx) {
      const { bankUrl } = ctx.deps;
      const answer = await ctx.call("bank", (io) => payOut(bankUrl, { amountMinor, currency }, io), {
        timeoutMs: 2000,
      });
      // A refusal stays one, however often the bank is asked; to throw would mean "again later".
      if (answer.refusal !== undefined) return ctx.giveUp(`the bank refuses: ${answer.refusal}`);
      return ctx.emit("paid", { payoutId: answer.payoutId });
    },
  })
  .service("close", {
    on: "paid",
    emits: ["closed"],
    effects: "none",
    handle: (_, ctx) => ctx.emit("closed", { how: "paid" }),
  });
