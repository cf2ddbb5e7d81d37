import type { Connection } from "./connection.ts";

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
 * `quietMs`, and at once where nobody listens.
 */
export function askAll(
  { nats }: Connection,
  { subject, replyTo, quietMs }: { subject: string; replyTo: string; quietMs: number },
): Promise<string[]> {
  return new Promise((resolve) => {
    const answers: string[] = [];
    const end = () => {
      clearTimeout(timer);
      subscription.unsubscribe();
      resolve(answers);
    };
    const subscription = nats.subscribe(replyTo, {
      callback: (error, message) => {
        if (error || message.headers?.code === noResponders) return end();
        answers.push(message.string());
        timer.refresh();
      },
    });
    const timer = setTimeout(end, quietMs);
    nats.publish(subject, undefined, { reply: replyTo });
  });
}
