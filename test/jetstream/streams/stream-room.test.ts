import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { readFilling } from "../../../src/jetstream/streams/stream-room.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

const users = {
  owner: "{ user: owner, password: x }",
  stranger: '{ user: stranger, password: x, permissions: { publish: { deny: "$JS.API.INFO" } } }',
};

let broker: TestBroker;
let owner: Connection;

beforeAll(async () => {
  broker = await startTestBroker({
    extraConfig: `accounts: {
      SHOP: { jetstream: { max_file: 50MB }, users: [${users.owner}, ${users.stranger}] }
    }`,
  });
  owner = await openTestConnection(broker.url, { user: "owner", password: "x" });
  const { jsm, nats } = owner;
  await jsm.streams.add({ name: "FULL", subjects: ["FULL.>"], max_msgs: 5, max_bytes: 4096 });
  await jsm.streams.add({ name: "FREE", subjects: ["FREE"] });
  for (const key of ["a", "b"]) await nats.jetstream().publish(`FULL.${key}`, "12345");
});

afterAll(async () => {
  await owner.close();
  await broker.stop();
});

describe("how much a stream takes until a limit", () => {
  it("is what its own limits and the account's leave", async () => {
    const filling = await readFilling(owner, "FULL");
    const { bytes = 0, rooms = [] } = filling ?? {};
    expect(filling).toMatchObject({ messages: 2, bytes: expect.any(Number) });
    expect(rooms.slice(0, 2)).toEqual([
      { limit: "max_msgs", of: "messages", left: 3 },
      { limit: "max_bytes", of: "bytes", left: 4096 - bytes },
    ]);
    expect(rooms[2]).toMatchObject({ limit: "account", of: "bytes" });
    expect(rooms[2]?.left).toBeLessThan(50 * 2 ** 20);
    expect(rooms[2]?.left).toBeGreaterThan(49 * 2 ** 20);
  });

  it("is the account's alone where the stream has no limit, and unknown to who may not read that", async () => {
    expect((await readFilling(owner, "FREE"))?.rooms).toMatchObject([{ limit: "account" }]);
    const stranger = await openTestConnection(broker.url, { user: "stranger", password: "x" });
    for (let asked = 0; asked < 2; asked++) expect((await readFilling(stranger, "FREE"))?.rooms).toEqual([]);
    await stranger.close();
  });

  it("is nothing of a stream that is not there", async () => {
    expect(await readFilling(owner, "NOPE")).toBeUndefined();
  });
});
