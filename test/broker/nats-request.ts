import { connect } from "nats";

/** One request over a connection of its own; the JSON answer. */
export async function natsRequest(url: string, subject: string, body: string): Promise<unknown> {
  const connection = await connect({ servers: url, reconnect: false });
  try {
    return (await connection.request(subject, new TextEncoder().encode(body), { timeout: 5_000 })).json();
  } finally {
    await connection.close();
  }
}
