import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

type Pair = { client: Socket; upstream: Socket };

/** A wire to a port on loopback that can be cut and held up; the other end sees what a bad network does. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #stalled = false;

  private constructor(targetPort: number) {
    this.#server = createServer({ noDelay: true }, (client) => this.#onClient(client, targetPort));
  }

  static async open(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection, with what is under way on it, and tells how many there were; new ones are taken at once. */
  cut(): number {
    const { size } = this.#pairs;
    for (const pair of this.#pairs) destroy(pair);
    return size;
  }

  /** Nothing goes through any more, in either direction, though connections stay and new ones are taken. */
  stall(): void {
    this.#stalled = true;
    for (const { client, upstream } of this.#pairs) {
      client.unpipe(upstream).pause();
      upstream.unpipe(client).pause();
    }
  }

  /** What was held up goes through, in its order. */
  resume(): void {
    this.#stalled = false;
    for (const pair of this.#pairs) join(pair);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #onClient(client: Socket, targetPort: number): void {
    const upstream = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    const pair = { client, upstream };
    this.#pairs.add(pair);
    for (const socket of [client, upstream]) {
      // What failed is closed as well; whoever is at the other end is told.
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#pairs.delete(pair);
        destroy(pair);
      });
    }
    if (!this.#stalled) join(pair);
  }
}

function join({ client, upstream }: Pair): void {
  client.pipe(upstream);
  upstream.pipe(client);
}

function destroy({ client, upstream }: Pair): void {
  client.destroy();
  upstream.destroy();
}
