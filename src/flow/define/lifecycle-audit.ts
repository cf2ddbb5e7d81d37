import type { Auditor, AuditReport, AuditRule, AuditScope, FlowAudit, Offender } from "../audit-contract.ts";
import type { FlowEvent, FlowShape } from "../flow.ts";
import { type AuditCounts, decodeState, encodeState, type KnownKey, noCounts } from "./audit-state.ts";
import type { DataEvent } from "./event-codec.ts";
import { FactSets } from "./fact-sets.ts";
import type { AuditPromise } from "./types.ts";

export type LifecycleOptions = {
  shape: FlowShape;
  promises: readonly AuditPromise[];
  statusOf(event: DataEvent): string | undefined;
};

type NamedPromise = AuditPromise & { name: string };

/**
 * Checks of any flow that each key ended, that no kind came twice for a key and none without its cause, that every
 * message is an event, and what the flow's own promises say.
 */
export function lifecycleAudit(options: LifecycleOptions): FlowAudit {
  const promises = options.promises.map((each, index): NamedPromise => {
    const name = nameOf(each);
    const isTwin = options.promises.some((other, at) => at < index && nameOf(other) === name);
    return { ...each, name: isTwin ? `${name}_${index + 1}` : name };
  });
  return {
    rules: rulesOf(options.shape, promises),
    open(state) {
      const auditor = new LifecycleAuditor({ ...options, promises }, state);
      return Object.assign(auditor, { addOthers: async () => ({}) });
    },
  };
}

function rulesOf({ noun }: FlowShape, promises: readonly NamedPromise[]): AuditRule[] {
  return [
    { name: "not_ended", promise: `everything that began has ended`, broken: "not ended", isLateness: true },
    {
      name: "duplicate_event",
      promise: `no event of a kind twice for one ${noun.one}`,
      broken: "second event",
      isSurplus: true,
    },
    { name: "missing_cause", promise: "no event without its cause", broken: "no cause" },
    ...promises.map((each) => ({
      name: each.name,
      promise: textOf(each),
      broken: each.is === "ends" ? `not ${textOf(each).replace(/^every /, "")}` : `not so: ${textOf(each)}`,
      ...(each.is === "ends" && { isLateness: true as const }),
    })),
    { name: "unreadable", promise: "every message is a valid event", broken: "not readable" },
  ];
}

const withStatus = (kind: string, status: string | undefined) => [kind, status].filter(Boolean).join(" ");

const textOf = (promise: AuditPromise): string =>
  promise.is === "ends"
    ? `every ${withStatus(promise.kind, promise.status)} ends in ${promise.in.join(" or ")} within ${promise.withinMs / 1000} s`
    : `no ${withStatus(promise.kind, promise.status)} without ${withStatus(promise.needs, promise.needsStatus)}`;

const nameOf = (promise: AuditPromise): string =>
  textOf(promise)
    .replace(/ within .*/, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_");

/** Facts that no event establishes: what is known began before the state was taken, or before keys are judged. */
const carried = "(carried)";
const earlier = "(earlier)";
const ended = "(ended)";

const maxOffenders = 100;
/** Most keys of a state that ended although an event may follow. */
const maxEnded = 100_000;

type Named = Omit<LifecycleOptions, "promises"> & { promises: readonly NamedPromise[] };

class LifecycleAuditor implements Auditor {
  readonly #options: Named;
  readonly #sets = new FactSets();
  readonly #facts = new Map<string, number>();
  /** When the keys that have not ended began, broker time in ms. */
  readonly #open = new Map<string, number>();
  /** When events came of which a promise waits for another one, by key and promise. */
  readonly #due = new Map<string, Map<string, number>>();
  #goesOn = false;
  #counts: AuditCounts = noCounts();

  constructor(options: Named, state: Uint8Array | undefined) {
    this.#options = options;
    if (!state) return;
    const { counts, known } = decodeState(state);
    this.#goesOn = true;
    this.#counts = counts;
    for (const { key, facts, beganAtMs, due } of known) {
      this.#facts.set(key, this.#sets.of([...facts, carried]));
      if (beganAtMs !== null) this.#open.set(key, beganAtMs);
      if (due.length > 0) this.#due.set(key, new Map(due));
    }
  }

  add(event: FlowEvent, sequence: number, storedAtMs: number): void {
    const { kind, key } = event as DataEvent;
    const { shape, statusOf } = this.#options;
    const known = this.#facts.get(key) ?? 0;
    this.#counts.events += 1;
    if (this.#sets.has(known, kind)) {
      if (kind === shape.firstKind) this.#counts.again.push([key, sequence]);
      else
        this.#offend("duplicate_event", { orderId: key, sequence, detail: `a second event of kind ${kind}` });
      return;
    }
    const status = statusOf(event as DataEvent);
    const added = { kind, status, key, sequence, storedAtMs };
    this.#checkCause(known, added);
    this.#checkPromises(known, added);
    const facts = this.#sets.add(known, kind);
    const stated = status === undefined ? facts : this.#sets.add(facts, `${kind} ${status}`);
    this.#facts.set(key, this.#tally(stated, added));
  }

  addUnreadable(subject: string, reason: string, sequence: number): void {
    const key = this.#options.shape.parseSubject(subject)?.key ?? null;
    this.#offend("unreadable", { orderId: key, sequence, detail: reason });
  }

  knows = (key: string): boolean => this.#facts.has(key);

  state(): Uint8Array {
    this.#forgetSettled();
    this.#goesOn = true;
    for (const [key, facts] of this.#facts) this.#facts.set(key, this.#sets.add(facts, carried));
    const known = [...this.#facts].map(
      ([key, facts]): KnownKey => ({
        key,
        facts: [...this.#sets.factsOf(facts)].filter((fact) => fact !== carried && fact !== earlier),
        beganAtMs: this.#open.get(key) ?? null,
        due: [...(this.#due.get(key) ?? [])],
      }),
    );
    return encodeState({ counts: this.#counts, known });
  }

  *maybeRepeated(): Generator<string> {
    for (const [key] of this.#counts.again) yield key;
    if (!this.#goesOn) return;
    for (const [key, facts] of this.#facts) if (this.#isNew(facts)) yield key;
  }

  addRepeats(keys: ReadonlySet<string>): void {
    const { again } = this.#counts;
    this.#counts.again = again.filter(([key]) => !keys.has(key));
    this.#counts.repeats += again.length - this.#counts.again.length;
    for (const key of this.#goesOn ? keys : []) {
      const facts = this.#facts.get(key) ?? 0;
      if (this.#isNew(facts)) this.#addSecondLife(key, facts);
    }
  }

  judgeFromHere(): void {
    for (const [key, facts] of this.#facts) this.#facts.set(key, this.#sets.add(facts, earlier));
    this.#open.clear();
    this.#due.clear();
    this.#counts = noCounts();
  }

  finish(scope: AuditScope): AuditReport {
    const { firstKind } = this.#options.shape;
    for (const [key, sequence] of this.#counts.again) {
      const detail = `a second event of kind ${firstKind}`;
      this.#offend("duplicate_event", { orderId: key, sequence, detail });
    }
    const underWay = this.#judgeOpen(scope);
    this.#judgeDue(scope);
    const { keys, events, outcomes, repeats, violations, offenders } = this.#counts;
    const offences = Object.values(violations).reduce((sum, count) => sum + count, 0);
    return {
      verdict: offences === 0 ? "PASS" : "FAIL",
      orders: keys,
      ended: keys - this.#open.size,
      underWay,
      events,
      outcomes,
      repeats,
      violations: { ...Object.fromEntries(this.#names().map((name) => [name, 0])), ...violations },
      offences,
      offenders,
    };
  }

  /** Returns how many keys are too young to be judged. */
  #judgeOpen({ nowMs, graceMs, givenUp }: AuditScope): number {
    let young = 0;
    for (const [key, beganAtMs] of this.#open) {
      const ageMs = nowMs - beganAtMs;
      // One that began later than it is now: the broker's clock was set back.
      if (ageMs < graceMs && ageMs >= -Math.max(graceMs, clockErrorMs)) young += 1;
      else this.#offend("not_ended", this.#missing(key, givenUp?.get(key)));
    }
    return young;
  }

  #judgeDue({ nowMs, givenUp }: AuditScope): void {
    for (const [key, due] of this.#due)
      for (const [name, sinceMs] of due)
        if (nowMs - sinceMs > this.#withinOf(name)) this.#offend(name, this.#missing(key, givenUp?.get(key)));
  }

  #names = (): string[] => rulesOf(this.#options.shape, this.#options.promises).map(({ name }) => name);

  #withinOf = (name: string): number => {
    const promise = this.#options.promises.find((each) => each.name === name);
    return promise?.is === "ends" ? promise.withinMs : Number.POSITIVE_INFINITY;
  };

  /** What the key has that leads on, who has to act, and why that one gave up. */
  #missing(key: string, givenUp: string | undefined): { orderId: string; detail: string } {
    const { shape } = this.#options;
    const facts = this.#sets.factsOf(this.#facts.get(key) ?? 0);
    const last = shape.kinds.findLast((kind) => facts.has(kind)) ?? shape.firstKind;
    const status = shape.statusesOf(last).find((each) => facts.has(`${last} ${each}`));
    const next = shape.nextAfter(last, status);
    const text = `${withStatus(last, status)}, and waiting for ${next?.service ?? "an event that ends it"}`;
    return { orderId: key, detail: givenUp === undefined ? text : `${text}: ${givenUp}` };
  }

  #checkCause(known: number, { kind, key, sequence }: Added): void {
    const causes = this.#options.shape.subscriptions.filter(({ emits }) => emits.includes(kind));
    if (causes.length === 0 || causes.some(({ on, when }) => this.#sets.has(known, withStatus(on, when))))
      return;
    const names = [...new Set(causes.map(({ on, when }) => withStatus(on, when)))].join(" or ");
    this.#offend("missing_cause", { orderId: key, sequence, detail: `${kind} without ${names} before it` });
  }

  #checkPromises(known: number, added: Added): void {
    for (const promise of this.#options.promises)
      if (promise.is === "without") this.#checkWithout(known, promise, added);
      else this.#checkEnds(promise, added);
    if (this.#due.get(added.key)?.size === 0) this.#due.delete(added.key);
  }

  #checkWithout(known: number, promise: Promised<"without">, { kind, status, key, sequence }: Added): void {
    const needed = withStatus(promise.needs, promise.needsStatus);
    if (!isOf(promise, kind, status) || this.#sets.has(known, needed)) return;
    const detail = `${withStatus(kind, status)} without ${needed} before it`;
    this.#offend(promise.name, { orderId: key, sequence, detail });
  }

  #checkEnds(promise: Promised<"ends">, { kind, status, key, sequence, storedAtMs }: Added): void {
    const due = this.#due.get(key);
    const sinceMs = due?.get(promise.name);
    if (sinceMs !== undefined && promise.in.includes(kind)) {
      due?.delete(promise.name);
      const tookMs = storedAtMs - sinceMs;
      const detail = `${kind} came after ${Math.round(tookMs / 1000)} s`;
      if (tookMs > promise.withinMs) this.#offend(promise.name, { orderId: key, sequence, detail });
    }
    if (isOf(promise, kind, status))
      this.#due.set(key, (due ?? new Map<string, number>()).set(promise.name, storedAtMs));
  }

  /** Returns the facts with what follows from this event. */
  #tally(facts: number, { kind, status, key, storedAtMs }: Added): number {
    const { shape } = this.#options;
    const begun = kind === shape.firstKind ? this.#begin(facts, key, storedAtMs) : facts;
    if (!shape.endsWith(kind, status) || this.#sets.has(begun, ended)) return begun;
    const { outcomes } = this.#counts;
    const outcome = status ?? kind.toUpperCase();
    if (!this.#sets.has(begun, earlier)) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    this.#open.delete(key);
    return this.#sets.add(begun, ended);
  }

  #begin(facts: number, key: string, storedAtMs: number): number {
    this.#counts.keys += 1;
    if (!this.#sets.has(facts, ended)) this.#open.set(key, storedAtMs);
    return this.#sets.remove(facts, earlier);
  }

  #isNew(facts: number): boolean {
    const { has } = this.#sets;
    return has(facts, this.#options.shape.firstKind) && !has(facts, carried) && !has(facts, earlier);
  }

  /** Nothing more is due of a key that ended, but what a side step may emit. */
  #isSettled(facts: number): boolean {
    const { has } = this.#sets;
    if (!has(facts, ended)) return false;
    return this.#options.shape.subscriptions.every(
      ({ on, when, emits }) =>
        emits.length === 0 || !has(facts, withStatus(on, when)) || emits.some((kind) => has(facts, kind)),
    );
  }

  #forgetSettled(): void {
    const unsettled: string[] = [];
    for (const [key, facts] of this.#facts) {
      if (this.#isSettled(facts) && !this.#due.has(key)) this.#forget(key);
      else if (this.#sets.has(facts, ended)) unsettled.push(key);
    }
    for (const key of unsettled.slice(0, Math.max(0, unsettled.length - maxEnded))) {
      // Its time may not be over, and nobody would know when it is.
      for (const name of this.#due.get(key)?.keys() ?? []) this.#offend(name, this.#missing(key, undefined));
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#facts.delete(key);
    this.#open.delete(key);
    this.#due.delete(key);
  }

  #addSecondLife(key: string, facts: number): void {
    const { kinds, firstKind } = this.#options.shape;
    const followed = kinds.filter((kind) => kind !== firstKind && this.#sets.has(facts, kind));
    if (followed.length === 0) this.#counts.repeats += 1;
    else
      this.#offend("duplicate_event", {
        orderId: key,
        detail: `it had ended, began again, and had a second event of kind ${followed.join(", ")}`,
      });
    this.#counts.keys -= 1;
    this.#forget(key);
  }

  #offend(rule: string, found: Partial<Offender> & { detail: string }): void {
    this.#counts.violations[rule] = (this.#counts.violations[rule] ?? 0) + 1;
    if (this.#counts.offenders.length >= maxOffenders) return;
    this.#counts.offenders.push({ rule, orderId: null, sku: null, sequence: null, ...found });
  }
}

type Added = {
  kind: string;
  status: string | undefined;
  key: string;
  sequence: number;
  storedAtMs: number;
};

type Promised<I extends AuditPromise["is"]> = Extract<NamedPromise, { is: I }>;

const isOf = (promise: AuditPromise, kind: string, status: string | undefined): boolean =>
  promise.kind === kind && (promise.status === undefined || promise.status === status);

/** The clocks of a cluster's servers may differ by this much. */
const clockErrorMs = 2000;
