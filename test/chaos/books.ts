/** One promise, over how many things it was checked, and each that broke it. */
export type Finding = { promise: string; checked: number; broken: string[] };

/** What has to be booked at the gateway: once for each key that has such an event, and for no other. */
export type BookedRule = { promise: string; isFor(kind: string, status: string): boolean };

/** What the events of a flow mean, as far as its books are concerned. */
export type BookRules = {
  noun: { one: string; many: string };
  /** The kind that a key begins with. */
  first: string;
  isEnd(kind: string, status: string): boolean;
  booked: Partial<Record<"charge" | "refund", BookedRule>>;
};

/** What must have come of a run: the keys whose storing was acknowledged, and the subjects that hold garbage. */
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
export class Books {
  readonly #rules: BookRules;
  readonly #events = new Counts();
  readonly #begun = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #due = { charge: new Set<string>(), refund: new Set<string>() };
  readonly #booked = { charge: new Counts(), refund: new Counts() };
  readonly #deadLetters = new Counts();
  readonly #unreadable: string[] = [];

  constructor(rules: BookRules) {
    this.#rules = rules;
  }

  addEvent(kind: string, key: string, status = ""): void {
    const { first, isEnd, booked } = this.#rules;
    this.#events.add(`${kind} ${key}`);
    if (kind === first) this.#begun.add(key);
    if (isEnd(kind, status)) this.#ended.add(key);
    for (const operation of ["charge", "refund"] as const)
      if (booked[operation]?.isFor(kind, status)) this.#due[operation].add(key);
  }

  /** A message of the log that is no event. */
  addUnreadable(subject: string): void {
    this.#unreadable.push(subject);
  }

  addBooked(operation: "charge" | "refund", key: string): void {
    this.#booked[operation].add(key);
  }

  addDeadLetter(subject: string): void {
    this.#deadLetters.add(subject);
  }

  judge({ acknowledged, poisoned }: Expected): Finding[] {
    const { noun, booked } = this.#rules;
    const begun = this.#begun;
    const ended = this.#ended;
    const letters = this.#deadLetters;
    const { size } = this.#events.of;
    return [
      {
        promise: `every ${noun.one} acknowledged to its publisher is in the log, and no other`,
        checked: acknowledged.size,
        broken: [
          ...differing(acknowledged, (key) => begun.has(key), "acknowledged and lost"),
          ...differing(begun, (key) => acknowledged.has(key), "nobody sent it"),
        ],
      },
      {
        promise: `every ${noun.one} has ended`,
        checked: begun.size,
        broken: [
          ...differing(begun, (key) => ended.has(key), "no end"),
          ...differing(ended, (key) => begun.has(key), `an end of no ${noun.one}`),
        ],
      },
      {
        promise: `no event of a kind twice for ${/^[aeiou]/.test(noun.one) ? "an" : "a"} ${noun.one}`,
        checked: size,
        broken: this.#events.repeated,
      },
      ...(["charge", "refund"] as const).flatMap((operation) => {
        const rule = booked[operation];
        return rule ? [this.#sameMoney(rule.promise, operation)] : [];
      }),
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
        checked: size + this.#unreadable.length,
        broken: this.#unreadable.filter((subject) => !poisoned.has(subject)),
      },
    ];
  }

  #sameMoney(promise: string, operation: "charge" | "refund"): Finding {
    const due = this.#due[operation];
    const booked = this.#booked[operation];
    const broken = [
      ...differing(due, (key) => booked.of.has(key), "in the log, not at the gateway"),
      ...differing(booked.of.keys(), (key) => due.has(key), "at the gateway, not in the log"),
      ...booked.repeated,
    ];
    return { promise, checked: due.size, broken };
  }
}
