import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "./connection.ts";
import { noPermission } from "./nats-error.ts";
import { remedy } from "./remedies.ts";

/**
 * Matches the reply subject of a request: an inbox of the asker, or the broker's `_R_` subject for an asker in another
 * account. Inbox prefixes begin with `_INBOX`, as those of the `nats` CLI do.
 */
export const inboxForm = /^(?:_INBOX[^.]*|_R_)\./;

/**
 * Answers every question on `subject` whose reply subject matches `replyTo`, until it is stopped. All other questions
 * stay unanswered: the asker chooses the reply subject, and the answer is written with this program's permissions.
 */
export function answer(
  { nats }: Connection,
  { subject, replyTo }: { subject: string; replyTo: RegExp },
  say: () => string,
): { stop(): void } {
  const subscription = nats.subscribe(subject, {
    callback: (error, message) => {
      if (error === null && replyTo.test(message.reply ?? "")) message.respond(say());
    },
  });
  return { stop: () => subscription.unsubscribe() };
}

/** Longer than any answer of an orderctl process; a longer answer comes from another program. */
const mostAnswerBytes = 256 * 1024;
const mostAnswers = 5000;
const mostBytes = 32 * 1024 * 1024;
/** `askAll` ends after this many times `quietMs`, since other programs may go on answering for ever. */
const mostQuietTimes = 10;

/**
 * The first answer to a question on `subject`; undefined when nobody answers in time, the answer is too long or this
 * user may not ask.
 */
export async function ask(
  { nats }: Connection,
  subject: string,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    const { data } = await nats.request(subject, undefined, { timeout: timeoutMs });
    return data.length > mostAnswerBytes ? undefined : Buffer.from(data).toString();
  } catch {
    return undefined;
  }
}

/** The status that the broker answers when nobody listens on the subject of a question. */
const noResponders = 503;

export type Question = {
  subject: string;
  replyTo: string;
  quietMs: number;
  signal?: AbortSignal | undefined;
};

/**
 * `refused` counts answers that are left out because they are too long; `isCut` says that answers were still coming
 * when the question ended.
 */
export type Answers = { texts: string[]; refused: number; isCut: boolean };

/**
 * Every answer to a question on `subject`, in the order in which they arrive on `replyTo`. The question ends when no
 * answer has come for `quietMs`, after ten times `quietMs` in any case, with 5,000 answers or 32 MiB, and at once when
 * nobody listens or the signal aborts. Rejects with `denied` when this user may not ask.
 */
export function askAll(
  { nats, onDenied }: Connection,
  { subject, replyTo, quietMs, signal }: Question,
): Promise<Answers> {
  return new Promise((resolve, reject) => {
    const answers: Answers = { texts: [], refused: 0, isCut: false };
    let bytes = 0;
    const cut = () => {
      answers.isCut = true;
      end();
    };
    const end = () => {
      clearTimeout(quiet);
      clearTimeout(limit);
      signal?.removeEventListener("abort", end);
      stopListening();
      subscription.unsubscribe();
      resolve(answers);
    };
    const refuse = (why: string) => {
      reject(new OrderctlError("denied", `cannot ask on ${subject}: ${why}`, { hint: remedy("other_user") }));
      end();
    };
    const take = (data: Uint8Array) => {
      bytes += data.length;
      if (data.length > mostAnswerBytes || bytes > mostBytes) answers.refused += 1;
      else answers.texts.push(Buffer.from(data).toString());
      if (bytes > mostBytes || answers.texts.length + answers.refused >= mostAnswers) cut();
      else quiet.refresh();
    };
    const stopListening = onDenied((refused) => {
      if (refused === subject) refuse(noPermission({ operation: "publish", subject }));
      if (refused === replyTo) refuse(noPermission({ operation: "subscription", subject: replyTo }));
      return refused === subject || refused === replyTo;
    });
    const subscription = nats.subscribe(replyTo, {
      callback: (error, message) => {
        // `onDenied` handles refusals. A message that was on its way when the question ended still arrives here.
        if (error || subscription.isClosed()) return;
        if (message.headers?.code === noResponders) end();
        else take(message.data);
      },
    });
    const quiet = setTimeout(end, quietMs);
    const limit = setTimeout(cut, mostQuietTimes * quietMs);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
    else nats.publish(subject, undefined, { reply: replyTo });
  });
}
