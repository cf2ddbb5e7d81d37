import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/**
 * What the bank does: `open` answers; `failing` answers 503; `away` cuts each connection; `cutting` pays, and cuts the
 * connection before it has answered.
 */
const modes = ["open", "failing", "away", "cutting"] as const;
export type Mode = (typeof modes)[number];

export type Booking = { payoutId: string; amountMinor: number; currency: string };

type Said = { status: number; body: object };

/**
 * A bank to try the flow with, in memory: `POST /payouts` with an `Idempotency-Key` pays once for each key, in euros;
 * `PUT /mode` sets the mode, `GET /payouts` lists what has been paid.
 */
export class Bank {
  /** What has been paid, by idempotency key. */
  readonly bookings = new Map<string, Booking>();
  mode: Mode = "open";
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Port 0 takes a free one. */
  async open(port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { status, body: said } = this.#said(request, body) ?? {};
    if (status === undefined) request.socket.destroy();
    else response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(said)}\n`);
  }

  /** Undefined where the connection is cut. */
  #said({ method, url, headers }: IncomingMessage, body: string): Said | undefined {
    const what = `${method} ${url}`;
    if (what === "PUT /mode") return this.#setMode(body);
    if (what === "GET /payouts") return { status: 200, body: [...this.bookings.values()] };
    if (what !== "POST /payouts") return refusal(404, `there is no ${what}`);
    if (this.mode === "failing") return refusal(503, "the bank is out of order");
    if (this.mode === "away") return undefined;
    const said = this.#book(String(headers["idempotency-key"] ?? ""), body);
    return this.mode === "cutting" ? undefined : said;
  }

  #setMode(wanted: string): Said {
    const mode = modes.find((each) => each === wanted);
    if (mode === undefined) return refusal(422, `a mode is one of ${modes.join(", ")}`);
    this.mode = mode;
    return { status: 200, body: { mode } };
  }

  #book(key: string, body: string): Said {
    const { amountMinor, currency } = JSON.parse(body) as Omit<Booking, "payoutId">;
    if (key === "") return refusal(400, "there is no idempotency key");
    if (currency !== "EUR") return refusal(422, `no payouts in ${currency}`);
    const payoutId = `pay-${this.bookings.size + 1}`;
    const booking = this.bookings.get(key) ?? { payoutId, amountMinor, currency };
    if (booking.amountMinor !== amountMinor) return refusal(409, "that key is of another payout");
    this.bookings.set(key, booking);
    return { status: 200, body: { payoutId: booking.payoutId } };
  }
}

const refusal = (status: number, why: string): Said => ({ status, body: { refusal: why } });
