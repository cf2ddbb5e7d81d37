import { OrderctlError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { noPermission, permissionHint } from "./nats-error.ts";

/** Answers every question on `subject` until it is stopped. */
export function answer({ nats }: Connection, subject: string, say: () => string): { stop(): void } {
  const subscription = nats.subscribe(subject, {
    callback: (error, message) => void (error ?? message.respond(say())),
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
