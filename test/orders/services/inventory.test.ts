import { expect, it } from "vitest";
import { reserveStock } from "../../../src/orders/services/inventory.ts";
import { StockShelf } from "../../../src/orders/stock/stock-shelf.ts";
import { approved, contextOf, declined, outOfStock, reserved } from "../../support/handler-context.ts";
import { StockWorld } from "../stock/stock-world.ts";

function openInventory(defaultStock: number) {
  const store = new StockWorld({ pause: async () => {}, fails: () => false });
  const shelf = new StockShelf(store, { log: "log-1", defaultStock });
  return { store, reserve: reserveStock(shelf) };
}

it("reserves all lines of a paid order, those of one SKU together", async () => {
  const { store, reserve } = openInventory(3);
  expect(await reserve(approved, contextOf())).toEqual(reserved);
  expect(store.entries.get("MUG")?.stock).toMatchObject({ available: 0, reserved: 3 });
  expect(store.entries.get("TRAY")?.stock).toMatchObject({ available: 2, reserved: 1 });
});

it("reserves nothing of an order that cannot have all, and names what is missing", async () => {
  const { reserve } = openInventory(2);
  expect(await reserve(approved, contextOf())).toEqual({ ...outOfStock, missingSkus: ["MUG"] });
});

it("comes to the same outcome when the payment is delivered again", async () => {
  const { store, reserve } = openInventory(3);
  for (let attempt = 0; attempt < 3; attempt += 1)
    expect(await reserve(approved, contextOf())).toEqual(reserved);
  expect(store.entries.get("MUG")?.stock).toMatchObject({ available: 0, reserved: 3 });
});

it("does nothing for a payment that was declined", async () => {
  const { store, reserve } = openInventory(3);
  expect(await reserve(declined, contextOf())).toBeUndefined();
  expect(store.entries.size).toBe(0);
});

it("goes by what the log holds in the end, not by what it would have answered itself", async () => {
  const { store, reserve } = openInventory(3);
  const context = contextOf(1);
  await reserve(approved, context);
  // Another instance was faster and found the shelf empty.
  store.reservations.set(1, false);
  context.tell(outOfStock);
  expect(store.entries.get("MUG")?.stock).toMatchObject({ available: 0, reserved: 3 });
});
