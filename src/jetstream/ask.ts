import { OrderctlError } from "../errors.ts";
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

/** The first answer to a question on `subject`; undefined where nobody answers in time, or asking is not allowed. */
export async function ask(
  { nats }: Connection,
  subject: string,
  timeoutMs: number,
): Promise<string | undefined> {
  try {
    return (await nats.request(subject, undefined, { timeout: timeoutMs })).string();
  } catch {
    return undefined;
  }
}

/** The status of a question that nobody listens to. */
const noResponders = 503;

/**
 * Every answer to a question on `subject`, in the order in which they come to `replyTo`: it ends when none has come for
 * `quietMs`, and at once where nobody listens. Rejects with `denied` where this user may not ask.
 */
export function askAll(
  { nats, onDenied }: Connection,
  { subject, replyTo, quietMs }: { subject: string; replyTo: string; quietMs: number },
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const answers: string[] = [];
    const end = () => {
      clearTimeout(timer);
      stopListening();
      subscription.unsubscribe();
      resolve(answers);
    };
    const refuse = (why: string) => {
      reject(new OrderctlError("denied", `cannot ask on ${subject}: ${why}`, { hint: permissionHint }));
      end();
    };
    const stopListening = onDenied((refused) => {
      if (refused === subject) refuse(noPermission({ operation: "publish", subject }));
      if (refused === replyTo) refuse(noPermission({ operation: "subscription", subject: replyTo }));
    });
    const subscription = nats.subscribe(replyTo, {
      callback: (error, message) => {
        // A refusal is told by the connection.
        if (error) return;
        if (message.headers?.code === noResponders) return end();
        answers.push(message.string());
        timer.refresh();
      },
    });
    const timer = setTimeout(end, quietMs);
    nats.publish(subject, undefined, { reply: replyTo });
  });
}
