import { expect, it } from "vitest";
import { Books } from "./books.ts";
import { orderRules } from "./tortured-orders.ts";

const expected = { acknowledged: new Set(["a", "b", "c"]), poisoned: new Set(["ORDERS.created.poison-0"]) };

/** `a` was shipped, `b` declined, `c` refunded; one poisoned message was given up. */
function soundBooks(): Books {
  const books = new Books(orderRules);
  for (const id of ["a", "b", "c"]) books.addEvent("created", id);
  books.addEvent("payments", "a", "APPROVED");
  books.addEvent("payments", "b", "DECLINED");
  books.addEvent("payments", "c", "APPROVED");
  books.addEvent("refunds", "c");
  for (const id of ["a", "b", "c"]) books.addEvent("notifications", id);
  books.addBooked("charge", "a");
  books.addBooked("charge", "c");
  books.addBooked("refund", "c");
  books.addUnreadable("ORDERS.created.poison-0");
  books.addDeadLetter("ORDERS.created.poison-0");
  return books;
}

const brokenIn = (books: Books, asked = expected) => books.judge(asked).flatMap(({ broken }) => broken);

it("finds nothing where every promise was kept, and says over how much", () => {
  expect(brokenIn(soundBooks())).toEqual([]);
  expect(
    soundBooks()
      .judge(expected)
      .map(({ checked }) => checked),
  ).toEqual([3, 3, 10, 2, 1, 1, 11]);
});

it("finds an order that was acknowledged and is lost", () => {
  const acknowledged = new Set([...expected.acknowledged, "d"]);
  expect(brokenIn(soundBooks(), { ...expected, acknowledged })).toEqual(["d: acknowledged and lost"]);
});

it.each<[string, (books: Books) => void, string[]]>([
  ["an order nobody sent", (books) => books.addEvent("created", "x"), ["x: nobody sent it", "x: no end"]],
  ["an end of no order", (books) => books.addEvent("notifications", "x"), ["x: an end of no order"]],
  ["an event that is there twice", (books) => books.addEvent("refunds", "c"), ["refunds c: 2 times"]],
  ["a second charge", (books) => books.addBooked("charge", "a"), ["a: 2 times"]],
  [
    "a charge for a declined order",
    (books) => books.addBooked("charge", "b"),
    ["b: at the gateway, not in the log"],
  ],
  [
    "a payment without a charge",
    (books) => books.addEvent("payments", "b", "APPROVED"),
    ["payments b: 2 times", "b: in the log, not at the gateway"],
  ],
  [
    "a repayment of a shipped order",
    (books) => books.addBooked("refund", "a"),
    ["a: at the gateway, not in the log"],
  ],
  ["a second repayment", (books) => books.addBooked("refund", "c"), ["c: 2 times"]],
  [
    "a dead letter of a good order",
    (books) => books.addDeadLetter("ORDERS.created.a"),
    ["ORDERS.created.a: a dead letter"],
  ],
  [
    "a second dead letter of the same message",
    (books) => books.addDeadLetter("ORDERS.created.poison-0"),
    ["ORDERS.created.poison-0: 2 times"],
  ],
  [
    "an unreadable message that nobody poisoned",
    (books) => books.addUnreadable("ORDERS.created.b"),
    ["ORDERS.created.b"],
  ],
])("finds %s", (_, add, broken) => {
  const books = soundBooks();
  add(books);
  expect(brokenIn(books)).toEqual(broken);
});

it("finds a poisoned message that was not given up", () => {
  const poisoned = new Set([...expected.poisoned, "ORDERS.refunds.poison-1"]);
  expect(brokenIn(soundBooks(), { ...expected, poisoned })).toEqual([
    "ORDERS.refunds.poison-1: no dead letter",
  ]);
});
