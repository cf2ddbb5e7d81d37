import { type QueuedIterator, RequestStrategy } from "nats";
import type { Connection } from "../../src/jetstream/client/connection.ts";

const client = ({ nats }: Connection) =>
  nats.services.client({ strategy: RequestStrategy.JitterTimer, maxWait: 2000, jitter: 200 });

type Place = [name?: string, id?: string];

/** The NATS client's own questions, as `nats micro` asks them; answers are sorted by name. */
export const askServices = {
  ping: async (connection: Connection, ...place: Place) => sorted(await client(connection).ping(...place)),
  info: async (connection: Connection, ...place: Place) => sorted(await client(connection).info(...place)),
  stats: async (connection: Connection, ...place: Place) => sorted(await client(connection).stats(...place)),
};

async function sorted<T extends { name: string }>(answers: QueuedIterator<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}
