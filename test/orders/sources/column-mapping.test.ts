import { expect, test } from "vitest";
import { parseMapping } from "../../../src/orders/sources/column-mapping.ts";

test("a mapping names the header of each column", () => {
  expect(parseMapping("order=Invoice, sku=Item Code,price=Price = net")).toEqual({
    order: "Invoice",
    sku: "Item Code",
    price: "Price = net",
  });
});

test.each(["", "order", "order=", "colour=Blue", "order=Invoice,,sku=Item"])("%j is no mapping", (text) => {
  expect(() => parseMapping(text)).toThrow(expect.objectContaining({ code: "usage" }));
});
