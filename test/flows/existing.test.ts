import { headers as headersOf } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { until } from "../support/until.ts";
import { createFlowWorld, type FlowWorld } from "./flow-world.ts";

const folder = "fixtures/flows/existing";

/** A world whose broker has a stream that another program made. */
async function openWorld(module: string, stream: { name: string; subjects: string[] }): Promise<FlowWorld> {
  const world = await createFlowWorld(`${folder}/${module}`);
  await world.connection.jsm.streams.add(stream);
  return world;
}

/** What a stream holds, each as its subject and JSON. */
async function contentOf({ connection }: FlowWorld, stream: string) {
  const { messages, last_seq } = (await connection.jsm.streams.info(stream)).state;
  const all = await Promise.all(
    Array.from({ length: last_seq }, (_, index) =>
      connection.jsm.streams.getMessage(stream, { seq: index + 1 }),
    ),
  );
  expect(all).toHaveLength(messages);
  return all;
}

const lettersIn = (stdout: string): Record<string, string>[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).data);

const caughtUp = (world: FlowWorld, stream: string, consumer: string) =>
  until(async () => {
    const { num_pending, num_ack_pending } = await world.connection.jsm.consumers.info(stream, consumer);
    return num_pending === 0 && num_ack_pending === 0;
  });

describe("CloudEvents in JSON, their type and key in headers", () => {
  let world: FlowWorld;

  const publish = async (type: string, subject: string, payload: string) => {
    const headers = headersOf();
    headers.set("ce-type", `com.example.contact.${type}`);
    headers.set("ce-subject", subject);
    await world.connection.nats.jetstream().publish("crm.events", payload, { headers });
  };

  beforeAll(async () => {
    world = await openWorld("cloud-events.ts", { name: "CRM", subjects: ["crm.>"] });
    await publish("created", "c-1", '{"email":"ann@example.com"}');
    await publish("renamed", "c-1", '{"name":"Ann"}');
    await publish("created", "c 2/ü", '{"email":"bob@example.com"}');
    await publish("created", "c-3", '{"email":"nobody"}');
    await publish("created", "c-4", "no JSON");
    await world.serve("greet");
    await caughtUp(world, "CRM", "contacts_greet_created");
  });

  afterAll(() => world.close());

  it("are worked on, and what follows has the headers by which it is found", async () => {
    const greeted = (await contentOf(world, "CRM")).slice(5);
    expect(
      greeted.map(({ header, data }) => [header.get("ce-subject"), Buffer.from(data).toString()]),
    ).toEqual([
      ["c-1", '{"email":"ann@example.com","words":"Hello ann@example.com"}'],
      ["c 2/ü", '{"email":"bob@example.com","words":"Hello bob@example.com"}'],
    ]);
    expect(greeted[0]?.header.get("ce-type")).toBe("com.example.contact.greeted");
    expect(greeted[0]?.header.get("Nats-Msg-Id")).toBe("contacts_greet/1");
  });

  it("are traced by their key as it is written in the header", async () => {
    const { exitCode, stdout } = await world.run(["trace", "c 2/ü", "--json"]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout).data).toMatchObject({ orderId: "c%202%2F%C3%BC", outcome: "GREETED" });
  });

  it("become dead letters that are found by the key, shown, and given back", async () => {
    const { stdout } = await world.run("dlq list --json");
    const letters = lettersIn(stdout);
    expect(letters.map(({ orderId, reason }) => [orderId, reason])).toEqual(
      expect.arrayContaining([
        ["c-3", "unprocessable"],
        ["c-4", "bad_message"],
      ]),
    );
    const shown = await world.run("dlq show c-3 --json");
    expect(JSON.parse(shown.stdout).data).toMatchObject({
      orderId: "c-3",
      event: { data: { email: "nobody" } },
    });
    expect((await world.run("dlq redrive --order c-3")).stdout).toContain("1 dead letter redriven");
  });

  it("are replayed through a service, and written into a file, by key", async () => {
    const { stdout } = await world.run("replay CRM --service greet --order c-1 --json");
    expect(JSON.parse(stdout).data).toMatchObject({ result: { same: 1, different: 0, failed: 0 } });
    const file = await world.run("replay CRM --out - --order c-1");
    expect(file.stdout.trim().split("\n")).toHaveLength(2);
  });

  it("are shown by lag and topology, and no more is promised than is kept", async () => {
    expect((await world.run("lag")).stdout).toContain("CRM: its consumer is up to date");
    expect((await world.run("topology diff")).stdout).toContain(
      "stream CRM is not orderctl's own and left as it is",
    );
    for (const refused of ["audit", "serve archive", "dlq remove-event 1"]) {
      const { exitCode, stderr } = await world.run(refused);
      expect([refused, exitCode, stderr]).toEqual([refused, 2, expect.stringContaining("CRM")]);
    }
    expect((await world.connection.jsm.streams.info("CRM")).config.max_msgs_per_subject).toBe(-1);
  });
});

describe("plain JSON whose subjects do not name the key", () => {
  let world: FlowWorld;

  const visit = (subject: string, event: object) =>
    world.connection.nats.jetstream().publish(subject, JSON.stringify(event));

  beforeAll(async () => {
    world = await openWorld("plain-json.ts", { name: "WEB", subjects: ["web.>"] });
    await visit("web.visits.home", { user: "ann@example.com", page: "/" });
    await visit("web.visits.shop.cart", { user: "bob", page: "/cart" });
    await visit("web.visits.home", { page: "/" });
    await world.serve("count");
    await caughtUp(world, "WEB", "visits_count_visited");
  });

  afterAll(() => world.close());

  it("is keyed by a field, with the settings of the consumer that the flow names", async () => {
    const counted = (await contentOf(world, "WEB")).slice(3);
    expect(counted.map(({ subject, data }) => [subject, Buffer.from(data).toString()])).toEqual([
      ["web.counts", '{"visits":1,"user":"ann@example.com"}'],
      ["web.counts", '{"visits":1,"user":"bob"}'],
    ]);
    const { config } = await world.connection.jsm.consumers.info("WEB", "visits_count_visited");
    expect(config).toMatchObject({ max_ack_pending: 7, filter_subject: "web.visits.>" });
    const { stdout } = await world.run(["trace", "ann@example.com"]);
    expect(stdout).toContain("COUNTED");
  });

  it("makes a dead letter of what has no key, and says so", async () => {
    const { stdout } = await world.run("dlq list --json");
    expect(lettersIn(stdout)).toMatchObject([{ orderId: null, detail: expect.stringContaining("user: ") }]);
  });

  it("is not published where no one subject is named", async () => {
    const { exitCode, stderr } = await world.run(["publish", "visited", "--data", '{"user":"a","page":"/"}']);
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining("web.visits.>, which names no one subject"),
    ]);
  });

  it("is worked on twice where it is there twice: the stream takes it", async () => {
    await visit("web.visits.home", { user: "carl", page: "/" });
    await visit("web.visits.home", { user: "carl", page: "/again" });
    await caughtUp(world, "WEB", "visits_count_visited");
    const { stdout } = await world.run("trace carl --json");
    const { falseMessages } = JSON.parse(stdout).data;
    expect(falseMessages).toMatchObject([
      { fault: expect.stringContaining("it comes after message") },
      { fault: expect.stringContaining("it comes after message") },
    ]);
  });
});

describe("protobuf with the key between two tokens of the subject", () => {
  it("is worked on, and an event that is stored twice by a service counts once for a while", async () => {
    const world = await openWorld("protobuf.ts", { name: "INSURANCE", subjects: ["insurance.>"] });
    try {
      await world.storeByHand(
        "insurance.k-1.opened",
        { claimId: "k-1", policy: "p", amountMinor: 5, currency: "EUR" },
        "claims.v1.ClaimOpened",
      );
      await world.serve("assess");
      await caughtUp(world, "INSURANCE", "insurance_assess_opened");
      const [, assessed] = await contentOf(world, "INSURANCE");
      expect(assessed?.subject).toBe("insurance.k-1.assessed");
      const publisher = new Publisher(world.connection);
      const again = await publisher.publish({
        subject: "insurance.k-1.assessed",
        payload: assessed?.data ?? new Uint8Array(),
        headers: { "Nats-Msg-Id": "insurance_assess/1" },
      });
      publisher.close();
      expect(again.sequence).toBe(2);
      const { stdout } = await world.run("trace insurance.k-1.opened");
      expect(stdout).toContain("COVERED");
      const foreign = { claimId: "müller", policy: "p", amountMinor: 5, currency: "EUR" };
      await world.storeByHand("insurance.müller.opened", foreign, "claims.v1.ClaimOpened");
      await caughtUp(world, "INSURANCE", "insurance_assess_opened");
      expect((await world.run("trace müller")).stdout).toContain("COVERED");
    } finally {
      await world.close();
    }
  });

  it("is not served where the stream is missing, which orderctl does not make", async () => {
    const world = await createFlowWorld(`${folder}/protobuf.ts`);
    try {
      const { exitCode, stderr } = await world.run("serve assess");
      expect([exitCode, stderr]).toEqual([4, expect.stringContaining("there is no stream INSURANCE")]);
    } finally {
      await world.close();
    }
  });
});
