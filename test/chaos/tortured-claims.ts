import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { tokenOfKey } from "../../src/flow/define/key-token.ts";
import type { Flow } from "../../src/flow/flow.ts";
import { loadFlow } from "../../src/flows/load-flow.ts";
import type { BookRules } from "./books.ts";
import type { Batch } from "./feed-plan.ts";
import { garbage } from "./garbage.ts";
import type { Tortured } from "./tortured.ts";

// All that starts tests starts them in the project's folder; compiled ones lie elsewhere in it.
const module = resolve("fixtures/flows/claims/paid-by-bank.ts");

const claimRules: BookRules = {
  noun: { one: "claim", many: "claims" },
  first: "opened",
  isEnd: (kind, status) => kind === "closed" || (kind === "assessed" && status === "REFUSED"),
  booked: {
    charge: {
      promise: "one payout at the bank for each covered claim",
      isFor: (kind, status) => kind === "assessed" && status === "COVERED",
    },
  },
};

/** A flow of a user's own: protobuf by reflection, an effect by `ctx.call`, an earlier event by `ctx.read`. */
export async function torturedClaims(): Promise<Tortured> {
  const { flow } = await loadFlow(module);
  const foreign = flow.encode({ kind: "opened", key: "other", data: claim("other", 1) });
  return {
    flow: flow as unknown as Flow,
    rules: claimRules,
    booked: "payouts",
    words: ` --flow ${module}`,
    serve: ({ gatewayUrl }) => ({ words: "serve all", env: { CLAIMS_BANK: gatewayUrl } }),
    gatewayWords: "--decline-share 0%",
    auditWords: () => "",
    async publish(batch, folder) {
      const file = join(folder, `claims-${batch.seed}.ndjson`);
      await writeFile(
        file,
        claimsOf(batch)
          .map((each) => JSON.stringify(each))
          .join("\n"),
      );
      return `publish opened --file ${file} --rate ${batch.rate}`;
    },
    keysOf: (batch) => claimsOf(batch).map(({ claimId }) => tokenOfKey(claimId)),
    // Of kinds that one service takes, whatever their status is.
    poison: (seed, number) => ({
      subject: flow.subjectOf(number % 2 === 0 ? "opened" : "paid", `poison-${number}`),
      payload: number % 4 === 0 ? foreign : garbage(seed, number),
    }),
    keyOf: ({ order_id: key }) => tokenOfKey(key ?? ""),
    absenceMs: 60_000,
  };
}

const claim = (claimId: string, index: number) => ({
  claimId,
  policy: `p-${index % 7}`,
  amountMinor: 100 * (index % 50),
  currency: "EUR",
});

/** Every tenth has a key that a subject cannot hold as it is. */
const claimsOf = ({ seed, count }: Batch) =>
  Array.from({ length: count }, (_, index) =>
    claim(index % 10 === 0 ? `c.${seed} ${index}` : `c-${seed}-${index}`, index),
  );
