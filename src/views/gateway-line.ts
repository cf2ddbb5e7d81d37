import type { ServingGateway } from "../commands/serve-gateway.ts";
import type { Style } from "../terminal.ts";
import { formatCount } from "./format.ts";
import { paint } from "./paint.ts";

/** Where the gateway answers, where it books, and how to stop it. */
export function gatewayLine({ url, ledger, entries }: ServingGateway, style: Style): string {
  const { bold, dim } = paint(style);
  const booked = `${formatCount(entries)} ${entries === 1 ? "entry" : "entries"} in ${ledger}`;
  return `serving ${bold("gateway")} at ${url}, ${booked} ${dim("- stop with Ctrl-C")}`;
}
