import { createServer } from "node:net";
import { until } from "./until.ts";

/**
 * Ports that nobody listens on: routes have to be known before the first server starts. They are none of those that the
 * system gives to whoever connects, so that nobody has them while their server is away.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  await until(async () => {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (given.has(port)) return false;
    given.add(port);
    if (await isFree(port)) ports.push(port);
    return ports.length === count;
  });
  return ports;
}

/** One of them. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

const given = new Set<number>();

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
