import { expect, it } from "vitest";
import { Lanes } from "./lanes.ts";

it("does what is in one lane one after the other, and what is in others meanwhile", async () => {
  const done: string[] = [];
  const lanes = new Lanes();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const add = (lane: string, name: string) => lanes.add(lane, async () => void done.push(name));
  const first = lanes.add("broker", () => held.then(() => void done.push("first")));
  const second = add("broker", "second");
  await add("gateway", "other");
  expect(done).toEqual(["other"]);
  release();
  await Promise.all([first, second]);
  expect(done).toEqual(["other", "first", "second"]);
});

it("does nothing more in a lane where something failed", async () => {
  const lanes = new Lanes();
  const failed = lanes.add("broker", () => Promise.reject(new Error("it did not start")));
  const next = lanes.add("broker", () => Promise.reject(new Error("not to be reached")));
  await expect(failed).rejects.toThrow("it did not start");
  await expect(next).rejects.toThrow("it did not start");
});
