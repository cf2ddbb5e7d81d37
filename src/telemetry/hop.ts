/** The header that every stored event carries about the work that led to it. */
export const hopHeader = "Orderctl-Hop";

/**
 * One step of an order: which event caused it (its stream sequence; `null` for the first), who did the work, at
 * which delivery attempt, and when the handler received, started and finished it (Unix µs, the worker's clock).
 */
export type Hop = {
  causeSequence: number | null;
  service: string;
  instance: string;
  attempt: number;
  receivedAtUs: number;
  startedAtUs: number;
  finishedAtUs: number;
  /** When circuit breakers held the delivery, in order; absent if none did. */
  holds?: readonly Hold[] | undefined;
  /** When the broker stored the order, by the broker's clock; copied from hop to hop, absent if unknown. */
  orderAtUs?: number | undefined;
};

/** A period in which a handler had a delivery but called nothing because a circuit breaker was open; Unix µs. */
export type Hold = { breaker: string; fromUs: number; toUs: number };

/** Further holds only extend the last one: a delivery may be held any number of times in an outage of hours. */
const mostHolds = 8;

/** Adds a hold to the list or, if the list is full, extends its last one. */
export function addHold(holds: Hold[], hold: Hold): void {
  const last = holds.at(-1);
  if (last && holds.length >= mostHolds) last.toUs = hold.toUs;
  else holds.push(hold);
}

/**
 * Writes `c=…;i=service/instance;d=…;r=…;s=…;e=…;b=…;o=…`. `s`, `e` and the start of each hold in `b`
 * (`breaker:start+length`) are in µs after `r`. `b` and `o` are left out if absent. Hot path: < 1 µs.
 */
export function encodeHop(hop: Hop): string {
  const { causeSequence, service, instance, attempt, receivedAtUs, startedAtUs, finishedAtUs, orderAtUs } =
    hop;
  const times = `r=${receivedAtUs};s=${startedAtUs - receivedAtUs};e=${finishedAtUs - receivedAtUs}`;
  const holds =
    hop.holds === undefined ? "" : `;b=${hop.holds.map((hold) => encodeHold(hold, receivedAtUs)).join()}`;
  // `o` stays last, where `orderTimeOf` of earlier versions expects it.
  const order = orderAtUs === undefined ? "" : `;o=${orderAtUs}`;
  return `c=${causeSequence ?? ""};i=${service}/${instance};d=${attempt};${times}${holds}${order}`;
}

const encodeHold = ({ breaker, fromUs, toUs }: Hold, receivedAtUs: number): string =>
  `${instanceName(breaker)}:${fromUs - receivedAtUs}+${toUs - fromUs}`;

const number = /^-?\d+$/;
const digits = /^\d+$/;
const holdPattern = /^([^:]*):(-?\d+)\+(\d+)$/;

/**
 * Reads a hop header; undefined if there is none or another program wrote something else into it. Unknown fields, in
 * whatever place, come from later versions and are ignored.
 */
export function decodeHop(header: string | undefined): Hop | undefined {
  if (header === undefined) return undefined;
  const { c = "x", i = "", d = "", r = "", s = "", e = "", b, o = "" } = fieldsOf(header);
  const [service, instance] = splitAt(i, "/");
  const areNumbers = number.test(s) && number.test(e) && digits.test(d) && digits.test(r);
  if (!i.includes("/") || !areNumbers || !(c === "" || digits.test(c))) return undefined;
  const receivedAtUs = Number(r);
  const holds = b === undefined ? [] : decodeHolds(b, receivedAtUs);
  return {
    causeSequence: c === "" ? null : Number(c),
    service,
    instance,
    attempt: Number(d),
    receivedAtUs,
    startedAtUs: receivedAtUs + Number(s),
    finishedAtUs: receivedAtUs + Number(e),
    ...(holds.length === 0 ? {} : { holds }),
    ...(digits.test(o) ? { orderAtUs: Number(o) } : {}),
  };
}

function fieldsOf(header: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const field of header.split(";")) {
    const [name, value] = splitAt(field, "=");
    fields[name] = value;
  }
  return fields;
}

function splitAt(text: string, sign: string): [string, string] {
  const at = text.indexOf(sign);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

const decodeHolds = (text: string, receivedAtUs: number): Hold[] =>
  text.split(",").flatMap((each) => {
    const [, breaker, from, length] = holdPattern.exec(each) ?? [];
    if (breaker === undefined) return [];
    const fromUs = receivedAtUs + Number(from);
    return [{ breaker, fromUs, toUs: fromUs + Number(length) }];
  });

/** Reads only `orderAtUs` from a hop header. Hot path: < 0.5 µs. */
export function orderTimeOf(header: string | undefined): number | undefined {
  const at = header?.lastIndexOf(";o=") ?? -1;
  const time = at < 0 ? Number.NaN : Number.parseInt(header?.slice(at + 3) ?? "", 10);
  return time > 0 ? time : undefined;
}

/**
 * Makes a host name or user-given name fit for the header: characters that could end a field become `-`, and the name
 * is cut to 64 characters.
 */
export const instanceName = (name: string): string => name.replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 64);
