import { formatCount } from "../../../terminal/format.ts";
import { paint } from "../../../terminal/paint.ts";
import type { Style } from "../../../terminal/terminal.ts";
import type { ServingGateway } from "./command.ts";

/** Where the gateway answers, where it books, and how to stop it. */
export function gatewayLine({ url, ledger, entries }: ServingGateway, style: Style): string {
  const { bold, dim } = paint(style);
  const booked = `${formatCount(entries)} ${entries === 1 ? "entry" : "entries"} in ${ledger}`;
  return `serving ${bold("gateway")} at ${url}, ${booked} ${dim("- stop with Ctrl-C")}`;
}
