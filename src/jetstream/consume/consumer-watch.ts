import { isDeepStrictEqual } from "node:util";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { consumerSettings, isMissing } from "../streams/apply-topology.ts";
import { compareSettings, type Settings } from "../streams/settings-drift.ts";
import type { Problems } from "./problems.ts";
import { type PullLimits, type Refusal, unlimited } from "./pull.ts";

const lookEveryMs = 5000;
const lookAgainMs = 1000;
const firstBackoffMs = 250;
const maxBackoffMs = 4000;
/**
 * An election ends within this time: until then, pulls that the broker refuses or leaves unanswered are not reported.
 */
const tellAfterMs = 10_000;

const problem = "consumer";

type Place = { stream: string; consumer: string };

/**
 * Watches a durable consumer while a worker pulls from it: what one pull may ask for, and whether to pull at all. Reads
 * the consumer's settings before the first pull, every 5 s and at once after a refused pull, since anybody may change,
 * delete or pause the consumer at any time. Each reason why it does not deliver is reported once.
 */
export class ConsumerWatch {
  readonly #connection: Connection;
  readonly #place: Place;
  readonly #problems: Problems;
  readonly #onChange: () => void;
  #limits: PullLimits = unlimited;
  #ackWaitMs: number | undefined;
  /** False until the settings are read, while there is no such consumer, and while a setting breaks a promise. */
  #mayPull = false;
  #fault: string | undefined;
  /** The filter at the first look: with another one, the consumer would skip messages for good. */
  #filter: string | undefined;
  #refusal: { text: string; isPassing: boolean; since: number; count: number } | undefined;
  #retryAt = 0;
  #lookAt = 0;
  #looking: Promise<void> | undefined;
  #isDenied = false;

  constructor(
    connection: Connection,
    place: Place,
    { problems, onChange }: { problems: Problems; onChange: () => void },
  ) {
    this.#connection = connection;
    this.#place = { stream: place.stream, consumer: place.consumer };
    this.#problems = problems;
    this.#onChange = onChange;
  }

  get mayPull(): boolean {
    return this.#mayPull && (this.#retryAt === 0 || performance.now() >= this.#retryAt);
  }

  get limits(): PullLimits {
    return this.#limits;
  }

  /** The shortest time that the broker waits for an acknowledgement; undefined while it is not known. */
  get ackWaitMs(): number | undefined {
    return this.#ackWaitMs;
  }

  /** To be called when the broker has served a pull. Hot path. */
  onServed(): void {
    if (this.#refusal) this.#onServedAgain();
  }

  #onServedAgain(): void {
    this.#forgetRefusals();
    this.#tell();
  }

  onRefused({ code, text }: Refusal): void {
    this.#countRefusal(refusalText(code, text), isPassing(code, text));
    this.look();
  }

  /**
   * To be called when nothing came of a pull, not even its end: nats-server 2.9 answers nothing when there is no such
   * consumer.
   */
  onSilence(): void {
    this.#countRefusal("nothing comes of its pulls, not even a refusal", true);
    this.look();
  }

  /** To be called after a reconnect, as the new server may answer differently. */
  reset(): void {
    this.#forgetRefusals();
    this.look();
  }

  #forgetRefusals(): void {
    this.#refusal = undefined;
    this.#retryAt = 0;
  }

  /** To be called regularly: reads the settings when they are due and reports a refusal that lasts. */
  tick(): void {
    if (performance.now() >= this.#lookAt) this.look();
    this.#tell();
  }

  /** Reads the settings, unless a read is under way. */
  look(): void {
    if (this.#isDenied || !this.#connection.isConnected()) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      this.#lookAt = performance.now() + (this.#fault === undefined ? lookEveryMs : lookAgainMs);
      this.#tell();
      this.#onChange();
    });
  }

  async #look(): Promise<void> {
    const { stream, consumer } = this.#place;
    try {
      this.#onSettings(consumerSettings(await this.#connection.jsm.consumers.info(stream, consumer)));
    } catch (thrown) {
      if (isMissing(thrown)) {
        this.#mayPull = false;
        this.#fault = `there is no such consumer on stream ${stream}: \`orderctl topology apply\` makes it anew`;
        return;
      }
      const { code, message } = fromNats(thrown, `read consumer ${consumer}`);
      // Without readable settings the worker pulls anyway: refusals show what the consumer allows.
      if (this.#fault === undefined) this.#mayPull = true;
      if (code === "denied") this.#isDenied = true;
      else if (this.#connection.isConnected()) this.#countRefusal(message, true);
    }
  }

  #onSettings(settings: Settings): void {
    const limits = limitsIn(settings);
    if (!isDeepStrictEqual(limits, this.#limits)) this.#forgetRefusals();
    this.#limits = limits;
    const waits = [settings.ack_wait, ...(Array.isArray(settings.backoff) ? settings.backoff : [])];
    this.#ackWaitMs = Math.min(...waits.map(Number)) / 1e6 || undefined;
    const filter = filterIn(settings);
    this.#filter ??= filter;
    const changed = `was given the filter ${filter} in the place of ${this.#filter} while it is worked on`;
    const [broken] = filter === this.#filter ? brokenPromises(this.#place.consumer, settings) : [changed];
    const until = settings.pause_until;
    const wasBroken = !this.#mayPull;
    this.#mayPull = broken === undefined;
    if (wasBroken && this.#mayPull) this.#forgetRefusals();
    if (broken) this.#fault = `stands still, as its consumer ${broken}`;
    else this.#fault = typeof until === "string" ? `its consumer is paused until ${until}` : undefined;
  }

  #countRefusal(text: string, isPassing: boolean): void {
    const now = performance.now();
    const { since = now, count = 0 } = this.#refusal ?? {};
    // All open pulls are refused at once: they count as one refusal.
    const isFirst = now >= this.#retryAt;
    this.#refusal = { text, isPassing, since, count: isFirst ? count + 1 : count };
    if (isFirst) this.#retryAt = now + Math.min(firstBackoffMs * 2 ** count, maxBackoffMs);
  }

  #tell(): void {
    const refusal = this.#refusal;
    // The first refusal may be of a pull that asked within older limits than those which are known since.
    const isNews =
      refusal &&
      refusal.count > 1 &&
      (!refusal.isPassing || performance.now() - refusal.since > tellAfterMs) &&
      !this.#looking;
    const text = this.#fault ?? (isNews ? refusal.text : undefined);
    if (text !== undefined) this.#problems.add(problem, text);
    else if (!refusal) this.#problems.end(problem);
  }
}

/** The server's own limit `max_request_batch` shows up in the consumer's `max_batch`. */
const limitsIn = ({ max_batch, max_expires, max_waiting }: Settings): PullLimits => ({
  batch: Number(max_batch) || unlimited.batch,
  expiresMs: Math.min(unlimited.expiresMs, Number(max_expires) / 1e6 || unlimited.expiresMs),
  pulls: Math.min(unlimited.pulls, Number(max_waiting) || unlimited.pulls),
});

/** The consumer's filter in the words of its settings; `">"` when it has none. */
const filterIn = ({ filter_subject, filter_subjects }: Settings): string =>
  JSON.stringify(filter_subjects ?? (filter_subject || ">"));

/** The settings with which a worker would lose messages or never get one, in the words of the consumer's settings. */
function brokenPromises(name: string, settings: Settings): string[] {
  // A service checks the filter and the deliver policy when it starts.
  const { filter_subject, filter_subjects, deliver_policy, ...others } = settings;
  return compareSettings({ kind: "consumer", name, wanted: {} }, others)
    .filter(({ leadsTo }) => leadsTo !== null)
    .map(({ setting, actual, leadsTo }) => `has ${setting} ${JSON.stringify(actual)}: ${leadsTo}`);
}

const refusalText = (code: number, text: string): string =>
  code === 503 ? "nobody answers its pulls" : `the broker refuses its pulls: ${text || code}`;

/** True for refusals that come with an election, a restart or a shutdown of the broker. */
const isPassing = (code: number, text: string): boolean =>
  code === 503 || /^(leadership change|server shutdown|consumer deleted)/i.test(text);
