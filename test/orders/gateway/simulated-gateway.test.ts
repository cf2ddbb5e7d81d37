import { expect, it } from "vitest";
import {
  createSimulatedGateway,
  type SimulatedGatewayOptions,
} from "../../../src/orders/gateway/simulated-gateway.ts";

const total = { amountMinor: 1999, currency: "GBP" };

function gatewayWith(options: Partial<SimulatedGatewayOptions> = {}, signal = new AbortController().signal) {
  const gateway = createSimulatedGateway({ seed: 1, declineShare: 0.02, latencyMs: 0, ...options });
  return {
    charge: (key: string) => gateway.charge({ orderId: key, total, idempotencyKey: key, signal }),
    refund: (key: string) => gateway.refund({ chargeId: "ch_1", total, idempotencyKey: key, signal }),
  };
}

const keys = Array.from({ length: 5000 }, (_, index) => `order-${index}`);

async function countDeclined(options: Partial<SimulatedGatewayOptions>): Promise<number> {
  const { charge } = gatewayWith(options);
  const charges = await Promise.all(keys.map(charge));
  return charges.filter(({ status }) => status === "DECLINED").length;
}

it("answers the same key in the same way, in every process", async () => {
  const first = await Promise.all(keys.map(gatewayWith({ declineShare: 0.5 }).charge));
  const again = await Promise.all(keys.toReversed().map(gatewayWith({ declineShare: 0.5 }).charge));
  expect(again.reverse()).toEqual(first);
  const { refund } = gatewayWith();
  expect(await refund("refund_1")).toEqual(await gatewayWith().refund("refund_1"));
  expect(await refund("refund_1")).not.toEqual(await refund("refund_2"));
});

it("gives every approved charge an id of its own, and every declined one a reason", async () => {
  const charges = await Promise.all(keys.map(gatewayWith({ declineShare: 0.5 }).charge));
  const ids = charges.flatMap((charge) => (charge.status === "APPROVED" ? [charge.chargeId] : []));
  const reasons = charges.flatMap((charge) => (charge.status === "DECLINED" ? [charge.reason] : []));
  expect(new Set(ids).size).toBe(ids.length);
  expect(reasons.length).toBeGreaterThan(2000);
  expect(new Set(reasons).size).toBe(4);
});

it.each([0, 0.02, 0.5, 1])("declines a share of %d of the orders", async (declineShare) => {
  const declined = await countDeclined({ declineShare });
  const spread = 5 * Math.sqrt(keys.length * declineShare * (1 - declineShare));
  expect(Math.abs(declined - keys.length * declineShare)).toBeLessThanOrEqual(spread);
});

it("declines other orders with another seed", async () => {
  const declinedWith = async (seed: number) => {
    const charges = await Promise.all(keys.map(gatewayWith({ seed, declineShare: 0.5 }).charge));
    return charges.map(({ status }) => status).join();
  };
  expect(await declinedWith(1)).not.toBe(await declinedWith(2));
});

it("takes as long as it is told to, and ends at once when it is aborted", async () => {
  const startedAt = performance.now();
  await gatewayWith({ latencyMs: 50 }).charge("a");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(45);
  const controller = new AbortController();
  const slow = gatewayWith({ latencyMs: 60_000 }, controller.signal);
  const pending = Promise.allSettled([slow.charge("a"), slow.refund("b")]);
  controller.abort();
  expect((await pending).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

it("fails a share of its calls as an outage would, and answers the next one as ever", async () => {
  const { charge } = gatewayWith({ errorShare: 0.5, declineShare: 0.5 });
  const tries = await Promise.allSettled(keys.map(charge));
  const failed = tries.filter(({ status }) => status === "rejected");
  expect(failed.length).toBeGreaterThan(keys.length / 3);
  expect(failed.length).toBeLessThan((keys.length / 3) * 2);
  expect(failed[0]).toMatchObject({ reason: { code: "unavailable" } });
  const sound = await Promise.all(keys.map(gatewayWith({ declineShare: 0.5 }).charge));
  const answers = tries.map((one, index) => (one.status === "fulfilled" ? one.value : sound[index]));
  expect(answers).toEqual(sound);
});
