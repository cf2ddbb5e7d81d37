import { type EventKind, eventKinds } from "../../src/orders/events.ts";

/** One promise, over how many things it was checked, and each that broke it. */
export type Finding = { promise: string; checked: number; broken: string[] };

/** What must have come of a run: the orders whose storing was acknowledged, and the subjects that hold garbage. */
export type Expected = { acknowledged: ReadonlySet<string>; poisoned: ReadonlySet<string> };

class Counts {
  readonly of = new Map<string, number>();

  add(key: string): void {
    this.of.set(key, (this.of.get(key) ?? 0) + 1);
  }

  get repeated(): string[] {
    return [...this.of].filter(([, count]) => count > 1).map(([key, count]) => `${key}: ${count} times`);
  }
}

const saying =
  (what: string) =>
  (key: string): string =>
    `${key}: ${what}`;

/** What is in one and not in the other, both ways. */
const differing = (one: Iterable<string>, has: (key: string) => boolean, what: string): string[] =>
  [...one].filter((key) => !has(key)).map(saying(what));

/**
 * The log, the gateway's ledger and the dead letters of a run, counted. Judges them by no code of the program's own
 * audit, so that the two can contradict each other.
 */
export class OrderBooks {
  readonly #events = Object.fromEntries(eventKinds.map((kind) => [kind, new Counts()])) as Record<
    EventKind,
    Counts
  >;
  readonly #approved = new Set<string>();
  readonly #charges = new Counts();
  readonly #refunds = new Counts();
  readonly #deadLetters = new Counts();
  readonly #unreadable: string[] = [];

  addEvent(kind: EventKind, orderId: string, status?: string): void {
    this.#events[kind].add(orderId);
    if (kind === "payments" && status === "APPROVED") this.#approved.add(orderId);
  }

  /** A message of the log that is no event. */
  addUnreadable(subject: string): void {
    this.#unreadable.push(subject);
  }

  addBooked(operation: "charge" | "refund", orderId: string): void {
    (operation === "charge" ? this.#charges : this.#refunds).add(orderId);
  }

  addDeadLetter(subject: string): void {
    this.#deadLetters.add(subject);
  }

  judge({ acknowledged, poisoned }: Expected): Finding[] {
    const { created, notifications, refunds } = this.#events;
    const letters = this.#deadLetters;
    const events = eventKinds.reduce((sum, kind) => sum + this.#events[kind].of.size, 0);
    return [
      {
        promise: "every order acknowledged to its publisher is in the log, and no other",
        checked: acknowledged.size,
        broken: [
          ...differing(acknowledged, (id) => created.of.has(id), "acknowledged and lost"),
          ...differing(created.of.keys(), (id) => acknowledged.has(id), "nobody sent it"),
        ],
      },
      {
        promise: "every order has ended",
        checked: created.of.size,
        broken: [
          ...differing(created.of.keys(), (id) => notifications.of.has(id), "no end"),
          ...differing(notifications.of.keys(), (id) => created.of.has(id), "an end of no order"),
        ],
      },
      {
        promise: "no event of a kind twice for an order",
        checked: events,
        broken: eventKinds.flatMap((kind) => this.#events[kind].repeated.map((text) => `${kind} ${text}`)),
      },
      this.#sameMoney("one charge at the gateway for each approved order", this.#charges, this.#approved),
      this.#sameMoney("one repayment for each refund", this.#refunds, new Set(refunds.of.keys())),
      {
        promise: "the poisoned messages are the dead letters, each once, and nothing else is",
        checked: poisoned.size,
        broken: [
          ...differing(poisoned, (subject) => letters.of.has(subject), "no dead letter"),
          ...differing(letters.of.keys(), (subject) => poisoned.has(subject), "a dead letter"),
          ...letters.repeated,
        ],
      },
      {
        promise: "every other message is a valid event",
        checked: events + this.#unreadable.length,
        broken: this.#unreadable.filter((subject) => !poisoned.has(subject)),
      },
    ];
  }

  #sameMoney(promise: string, booked: Counts, logged: ReadonlySet<string>): Finding {
    const broken = [
      ...differing(logged, (id) => booked.of.has(id), "in the log, not at the gateway"),
      ...differing(booked.of.keys(), (id) => logged.has(id), "at the gateway, not in the log"),
      ...booked.repeated,
    ];
    return { promise, checked: logged.size, broken };
  }
}
