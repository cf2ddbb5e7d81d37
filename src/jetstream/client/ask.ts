import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "./connection.ts";
import { noPermission, permissionHint } from "./nats-error.ts";

/**
 * The reply subject of a request: an inbox of the asker, or the broker's name for one in another account. Inbox prefixes begin
 * with `_INBOX`, as those of the `nats` CLI do.
 */
export const inboxForm = /^(?:_INBOX[^.]*|_R_)\./;

/**
 * Answers every question on `subject` whose reply subject has the form that `replyTo` describes, until it is stopped. Any other is
 * left unanswered: the asker names that subject, and what is written there is written with the rights of this program.
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

/** Longer than what any of our processes says; a longer one is of somebody else. */
const mostAnswerBytes = 256 * 1024;
const mostAnswers = 5000;
const mostBytes = 32 * 1024 * 1024;
/** Of a question to all, in quiet times: others answer as long as they like. */
const mostQuietTimes = 10;

/** The first answer to a question on `subject`; undefined where nobody answers in time, or asking is not allowed. */
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

/** The status of a question that nobody listens to. */
const noResponders = 503;

export type Question = {
  subject: string;
  replyTo: string;
  quietMs: number;
  signal?: AbortSignal | undefined;
};

/** `refused` were too long; `isCut` where others went on answering when it ended. */
export type Answers = { texts: string[]; refused: number; isCut: boolean };

/**
 * Every answer to a question on `subject`, in the order in which they come to `replyTo`: it ends when none has come for
 * `quietMs`, after ten times that in any case, with 5,000 answers or 32 MiB, and at once where nobody listens or the signal
 * aborts. Rejects with `denied` where this user may not ask.
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
      reject(new OrderctlError("denied", `cannot ask on ${subject}: ${why}`, { hint: permissionHint }));
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
    });
    const subscription = nats.subscribe(replyTo, {
      callback: (error, message) => {
        // A refusal is told by the connection. What is on its way when it ends still comes here.
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
