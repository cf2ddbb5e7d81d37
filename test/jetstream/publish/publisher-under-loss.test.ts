import type { Msg } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { createLog, textTo } from "../streams/subject-log.ts";

/** What the publisher is told at one attempt. The stream itself stores everything and says nothing. */
const answers = ["ack", "ack twice", "nothing", "unavailable", "duplicate"] as const;
type Answer = (typeof answers)[number];

/** What comes after them is stored. */
const planned = 3;
const perSubject = "maximum messages per subject exceeded";
const texts: Record<Answer, string[]> = {
  ack: ['{"stream":"SIM","seq":7}'],
  "ack twice": ['{"stream":"SIM","seq":7}', '{"stream":"SIM","seq":7}'],
  nothing: [],
  unavailable: ['{"error":{"code":503,"err_code":10008,"description":"system unavailable"}}'],
  duplicate: [`{"error":{"code":503,"err_code":10077,"description":"${perSubject}"},"stream":"SIM"}`],
};

let broker: TestBroker;
let sending: Connection;
let answering: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  sending = await openTestConnection(broker.url);
  answering = await openTestConnection(broker.url);
  await createLog(sending, "SIM", { no_ack: true });
});

afterAll(async () => {
  await sending.close();
  await answering.close();
  await broker.stop();
});

/** Answers the attempts at every message as its plan says; counts them. */
async function answerAs(plans: readonly Answer[][], prefix: string) {
  const seen = plans.map(() => 0);
  const answer = (message: Msg) => {
    const index = Number(message.subject.slice(prefix.length + 1));
    const attempt = seen[index] ?? 0;
    seen[index] = attempt + 1;
    for (const text of texts[plans[index]?.[attempt] ?? "ack"]) message.respond(text);
  };
  const subscription = answering.nats.subscribe(`${prefix}.*`, { callback: (_, message) => answer(message) });
  await answering.nats.flush();
  return { seen, end: () => subscription.unsubscribe() };
}

const succeeds = (answer: Answer) => answer !== "nothing" && answer !== "unavailable";

/** The attempt (from 1) that ends it, and how. */
function expected(plan: readonly Answer[]): { attempts: number; outcome: string } {
  const index = plan.findIndex(succeeds);
  if (index < 0) return { attempts: planned + 1, outcome: "stored" };
  // Refused at the first attempt, it was stored by somebody else; later, it is the message itself.
  const outcome = plan[index] === "duplicate" && index === 0 ? "duplicate" : "stored";
  return { attempts: index + 1, outcome };
}

/** Every row of `planned` answers. */
const everyPlan = (length: number): Answer[][] =>
  length === 0 ? [[]] : everyPlan(length - 1).flatMap((plan) => answers.map((answer) => [...plan, answer]));

it("settles every publish as the broker's answers imply, and leaves nothing in flight", async () => {
  const plans = everyPlan(planned);
  const { seen, end } = await answerAs(plans, "SIM.all");
  // On a busy machine an answer takes its time: what is late would be sent once more than its plan says.
  const publisher = new Publisher(sending, { window: 64, ackWaitMs: 2000, backoffMs: 10 });
  const outcomes = await Promise.all(
    plans.map((_, index) =>
      publisher.publish(textTo(`SIM.all.${index}`, `payload ${index}`)).then(
        ({ duplicate }) => (duplicate ? "duplicate" : "stored"),
        (error) => error.code,
      ),
    ),
  );
  expect(outcomes.map((outcome, index) => ({ attempts: seen[index], outcome }))).toEqual(plans.map(expected));
  await publisher.drain();
  publisher.close();
  end();
});
