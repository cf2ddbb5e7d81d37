import { expect, test } from "vitest";
import { runRounds } from "../../../src/orders/bench/run-rounds.ts";
import { figures } from "./sample-figures.ts";

test("runs all ways in turn, and starts each round with another one", async () => {
  const order: string[] = [];
  let running = 0;
  const way = (name: string) => async () => {
    running += 1;
    expect(running).toBe(1);
    await Promise.resolve();
    running -= 1;
    order.push(name);
    return figures({ perSecond: order.length });
  };
  const runs = await runRounds({ a: way("a"), b: way("b") }, 3, () => {});
  expect(order).toEqual(["a", "b", "b", "a", "a", "b"]);
  expect(runs.a.map(({ perSecond }) => perSecond)).toEqual([1, 4, 5]);
});
