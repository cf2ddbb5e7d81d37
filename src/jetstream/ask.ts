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
