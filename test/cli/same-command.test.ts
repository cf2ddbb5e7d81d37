import { expect, it } from "vitest";
import { sameCommand } from "../../src/cli/same-command.ts";

it.each([
  [["publish", "order", "--count", "5"], ["--seed", "7"], "orderctl publish order --count 5 --seed 7"],
  [["publish", "order", "--file", "my orders.csv"], [], "orderctl publish order --file 'my orders.csv'"],
  [["lag", "--password", "secret", "--token=secret", "--json"], [], "orderctl lag --json"],
  [
    ["lag", "-s", "nats://a:secret@b", "--server=secret@b", "-ssecret@b"],
    [],
    "orderctl lag -s nats://b --server=b -sb",
  ],
  [["lag", "--server", "nats://a:se/cret@b,nats://c"], [], "orderctl lag"],
  [
    ["lag", "--server", "nats://b:4222", "--since", "1h"],
    [],
    "orderctl lag --server nats://b:4222 --since 1h",
  ],
])("tells %j to be typed again, without secrets", (argv, added, said) => {
  expect(sameCommand(argv, added)).toBe(said);
});
