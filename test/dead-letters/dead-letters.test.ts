import { randomBytes } from "node:crypto";
import { expect, it, onTestFinished } from "vitest";
import { type DeadLetter, readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { firstMessage } from "../../src/flow/publish-event.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { readSubjects } from "../../src/jetstream/streams/read-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { created } from "../support/handler-context.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { readBacklog } from "../support/read-log.ts";
import { startServices } from "../support/start-services.ts";
import { until } from "../support/until.ts";

const count = 1000;

/** `order_id = 1, total_amount = 4`: an order that would pay its customer. */
function negativeOrder(orderId: string): Uint8Array {
  const double = Buffer.alloc(9, 0x21);
  double.writeDoubleLE(-12.5, 1);
  return Buffer.concat([Buffer.from([0x0a, orderId.length]), Buffer.from(orderId), double]);
}

const hostile: Record<string, (orderId: string) => Uint8Array> = {
  random: () => randomBytes(1 + Math.floor(Math.random() * 300)),
  other: () => encodeEvent({ ...created, orderId: "somebody-elses" }),
  negative: negativeOrder,
  empty: () => new Uint8Array(),
  bad$subject: (orderId) => encodeEvent({ ...created, orderId: orderId.replace("$", "-") }),
};

/** Good and hostile ones in turn. */
async function publishAll(connection: Connection): Promise<string[]> {
  const publisher = new Publisher(connection);
  const kinds = Object.entries(hostile);
  const subjects: string[] = [];
  const sent: Promise<unknown>[] = [];
  let index = 0;
  for await (const order of generateOrders(count, 7).orders) {
    const [kind, payload] = kinds[index % kinds.length] ?? kinds[0] ?? ["", () => new Uint8Array()];
    const orderId = `${kind}-${index}`;
    index += 1;
    subjects.push(`ORDERS.created.${orderId}`);
    sent.push(publisher.publish({ subject: `ORDERS.created.${orderId}`, payload: payload(orderId) }));
    sent.push(publisher.publish(firstMessage(orderFlow, order, { service: "publish", instance: "test" })));
    await publisher.ready();
  }
  await Promise.all(sent);
  publisher.close();
  return subjects;
}

const lettersOf = async (connection: Connection): Promise<DeadLetter[]> =>
  (await readDeadLetters(orderLog(connection))).map(({ letter }) => letter);

it("ends every good order among as many hostile messages, each of which is one dead letter, whoever is killed", async () => {
  const { broker, connection } = await brokerOfTest();
  await applyTopology(connection, hastyTopology(2000));
  const subjects = await publishAll(connection);

  const doomed = await openTestConnection(broker.url);
  const first = await startServices(doomed, undefined, { instance: "one" });
  onTestFinished(() => first.stop(0).catch(() => undefined));
  await until(async () => (await lettersOf(connection)).length > 100);
  await doomed.nats.close();
  const second = await startServices(connection, undefined, { instance: "two" });
  onTestFinished(() => second.stop(1000));
  await until(async () => Object.keys(await readBacklog(connection)).length === 0, 40_000);

  const letters = await lettersOf(connection);
  expect(letters.map(({ subject }) => subject).sort()).toEqual([...subjects].sort());
  expect(new Set(letters.map(({ reason }) => reason))).toEqual(new Set(["bad_message"]));
  expect(new Set(letters.map(({ instance }) => instance))).toEqual(new Set(["one", "two"]));
  const detailOf = (kind: string) => letters.find(({ subject }) => subject.includes(`.${kind}-`))?.detail;
  expect(detailOf("other")).toContain('orderId is "somebody-elses"');
  expect(detailOf("negative")).toContain("total is -1250");
  expect(detailOf("bad$subject")).toContain("not a subject of the order log");
  const ended = (await readSubjects(connection, "ORDERS")).filter((subject) =>
    subject.startsWith("ORDERS.notifications."),
  );
  expect(ended).toHaveLength(count);
}, 90_000);
