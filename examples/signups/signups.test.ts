import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { connect, type NatsConnection } from "nats";
import { testFlow } from "orderctl/testing";
import flow from "./signups.ts";

const asked: string[] = [];

const deps = {
  makeWorkspace: async (email: string, idempotencyKey: string) => {
    asked.push(idempotencyKey);
    return `ws-${email.length}`;
  },
};

const start = () => testFlow(flow, { deps, streams: [{ name: "ACCOUNTS", subjects: ["accounts.>"] }] });

let test: Awaited<ReturnType<typeof start>>;
let web: NatsConnection;

before(async () => {
  test = await start();
  web = await connect({ servers: test.server });
});

after(async () => {
  await web.close();
  await test.stop();
});

const signUp = (event: object) => web.jetstream().publish("accounts.signed-up.web", JSON.stringify(event));

it("makes a workspace for who signs up, and says so in the stream", async () => {
  await signUp({ email: "ann@example.com" });
  const [signedUp, provisioned] = await test.ended("ann@example.com");
  assert.deepEqual(signedUp?.data, { email: "ann@example.com", plan: "free" });
  assert.deepEqual(provisioned?.data, { email: "ann@example.com", workspace: "ws-15" });
  assert.deepEqual(asked, ["signups/provision/signedUp/ann%40example%2Ecom/workspaces"]);
});

it("asks with the same key again where it is killed between storing and acknowledging", async () => {
  asked.length = 0;
  test.killAfterStoring("provision");
  await signUp({ email: "bob@example.com" });
  await test.ended("bob@example.com");
  await test.settled();
  assert.equal(asked.length, 2);
  assert.equal(new Set(asked).size, 1);
  // The stream has taken the second answer for what it is, by its message id.
  const manager = await web.jetstreamManager();
  const { messages } = (await manager.streams.info("ACCOUNTS")).state;
  assert.equal(messages, 4);
});

it("gives up on what is no sign-up, and on what it refuses, and says why", async () => {
  await signUp({ email: "nobody" });
  await signUp({ email: "eve@example.org", plan: "team" });
  await test.settled();
  const letters = await test.deadLetters();
  assert.deepEqual(
    letters.map(({ reason }) => reason),
    ["bad_message", "unprocessable"],
  );
  assert.match(letters[0]?.detail ?? "", /email: /);
});
