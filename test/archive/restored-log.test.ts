import { expect, it, onTestFinished } from "vitest";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { setStock } from "../../src/orders/stock/set-stock.ts";
import { orderLog } from "../support/order-log.ts";
import { isDrained } from "../support/read-log.ts";
import { startServices } from "../support/start-services.ts";
import { until } from "../support/until.ts";
import { ArchiveWorld } from "./archive-world.ts";

const orders = [...generateOrders(8, 3).orders];

/** A gateway that says which orders it charged. */
function countingGateway(): { charged: string[]; gateway: PaymentGateway } {
  const charged: string[] = [];
  return {
    charged,
    gateway: {
      async charge({ orderId }) {
        charged.push(orderId);
        return { status: "APPROVED", chargeId: `ch_${orderId}` };
      },
      refund: async ({ chargeId }) => ({ refundId: `re_${chargeId}` }),
    },
  };
}

async function work(
  connection: Connection,
  gateway: PaymentGateway,
  names?: readonly string[],
): Promise<void> {
  const services = await startServices(connection, names, { gateway });
  await until(() => isWorkedOff(connection, names));
  await services.stop(3000);
}

/** Those that work have nothing left. */
async function isWorkedOff(connection: Connection, names: readonly string[] | undefined): Promise<boolean> {
  if (!names) return isDrained(connection);
  const consumers = names.flatMap((name) => orderShape.subscriptionsOf(name));
  const infos = await Promise.all(
    consumers.map(({ consumer }) => connection.jsm.consumers.info("ORDERS", consumer)),
  );
  return infos.every(({ num_pending, num_ack_pending }) => num_pending + num_ack_pending === 0);
}

async function openWorld(): Promise<ArchiveWorld> {
  const world = await ArchiveWorld.open();
  onTestFinished(() => world.close());
  return world;
}

// Completed orders used to be charged again, and took stock once more.
it("is worked on where orders were under way, and nowhere else", async () => {
  const lost = await openWorld();
  await applyTopology(lost.connection, flowTopology(orderShape));
  const before = countingGateway();
  await lost.log.store(...orders.slice(0, 6));
  await work(lost.connection, before.gateway);
  // Of two more nothing but the payment is made when the broker is lost.
  await lost.log.store(...orders.slice(6));
  await work(lost.connection, before.gateway, ["payment"]);
  expect(before.charged).toHaveLength(8);
  const last = (await lost.read("ORDERS")).at(-1)?.sequence ?? 0;
  await lost.removeConsumers();
  await lost.archiveTo(last, last);

  const rebuilt = await openWorld();
  const restored = await rebuilt.archive(`restore --to ORDERS --from-store ${lost.folder}`);
  expect(restored.exitCode, restored.stderr).toBe(0);
  const sku = orders[0]?.lines[0]?.sku ?? "";
  await setStock(orderLog(rebuilt.connection), new Map([[sku, 1000]]));
  await applyTopology(rebuilt.connection, flowTopology(orderShape));
  const after = countingGateway();
  await work(rebuilt.connection, after.gateway);
  expect(after.charged).toEqual([]);
  const audit = (await rebuilt.run("audit --all --grace 0s --json")).lines()[0]?.data as unknown as object;
  expect(audit).toMatchObject({ verdict: "PASS", orders: 8, ended: 8 });
  const taken = orders
    .slice(6)
    .flatMap(({ lines }) => lines)
    .filter((line) => line.sku === sku)
    .reduce((sum, { quantity }) => sum + quantity, 0);
  const stock = (await rebuilt.run("inventory list --json")).lines()[0]?.data as unknown as {
    items: { sku: string; available: number }[];
  };
  expect(stock.items.find((item) => item.sku === sku)?.available).toBe(1000 - taken);
});
