import { connect } from "nats";

/** What waits for a leader gets no answer: whoever asks again soon sees the new one soon. */
const timeout = 2000;

/** One request over a connection of its own; the JSON answer. */
export async function natsRequest(url: string, subject: string, body: string): Promise<unknown> {
  const connection = await connect({ servers: url, reconnect: false });
  try {
    return (await connection.request(subject, new TextEncoder().encode(body), { timeout })).json();
  } finally {
    await connection.close();
  }
}
