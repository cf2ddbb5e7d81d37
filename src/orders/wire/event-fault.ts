import type { Money, OrderEvent, OrderLine } from "../events.ts";
import { isCurrency } from "../money.ts";
import { isOrderId } from "../subjects.ts";

const loneSurrogate = /[\uD800-\uDFFF]/u;
const maxQuantity = 2 ** 31 - 1;
/** A SKU becomes a key, and so part of a subject, in the broker, whose protocol line has at most 4 KiB. */
const maxSkuLength = 64;
/**
 * A reservation may name each SKU twice, in `lines` and `missingSkus`: this many lines fit into 1 MB, the broker's
 * default limit for a message.
 */
export const maxLines = 2000;

/**
 * What makes `event` unfit to be stored or handled, in plain words that begin with the field; undefined if it is valid.
 * The same rules apply to events that are encoded, decoded or read from a file. Per message: < 0.5 µs.
 */
export function findEventFault(event: OrderEvent): string | undefined {
  return isOrderId(event.orderId)
    ? findFieldFault(event)
    : "orderId is not 1 to 64 letters, digits, '-' or '_'";
}

/** As `findEventFault`, for an event whose order id is known to be valid. */
export function findFieldFault(event: OrderEvent): string | undefined {
  switch (event.kind) {
    case "created":
      return (
        textFault("customerId", event.customerId) ??
        linesFault(event.lines) ??
        moneyFault(event.total) ??
        totalFault(event.total, event.lines) ??
        (event.createdAtUs === null ? undefined : countFault("createdAtUs", event.createdAtUs))
      );
    case "payments":
      return (
        textFault("reason", event.reason) ??
        textFault("chargeId", event.chargeId) ??
        moneyFault(event.total) ??
        linesFault(event.lines)
      );
    case "reservations":
      return (
        linesFault(event.lines) ??
        listFault("missingSkus", event.missingSkus) ??
        moneyFault(event.total) ??
        textFault("chargeId", event.chargeId)
      );
    case "shipments":
      return textFault("carrier", event.carrier) ?? textFault("trackingId", event.trackingId);
    case "refunds":
      return (
        textFault("chargeId", event.chargeId) ??
        textFault("refundId", event.refundId) ??
        moneyFault(event.total) ??
        textFault("reason", event.reason)
      );
    case "notifications":
      return textFault("channel", event.channel);
  }
}

/** As `findEventFault`, for one line of an order. */
export function findLineFault({ sku, quantity, unitPriceMinor }: OrderLine): string | undefined {
  const skuFault = findSkuFault(sku);
  if (skuFault !== undefined) return skuFault;
  if (!Number.isInteger(quantity) || quantity <= 0 || quantity > maxQuantity) {
    return `quantity is ${quantity}, not a whole number from 1 to ${maxQuantity}`;
  }
  return countFault("unitPriceMinor", unitPriceMinor);
}

/** As `findEventFault`, for a SKU. */
export function findSkuFault(sku: string): string | undefined {
  if (sku === "") return "sku is empty";
  if (sku.length > maxSkuLength) return `sku has ${sku.length} characters, ${maxSkuLength} are the most`;
  return textFault("sku", sku);
}

function linesFault(lines: readonly OrderLine[]): string | undefined {
  if (lines.length > maxLines) return `lines are ${lines.length}, ${maxLines} are the most`;
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index];
    const fault = line && findLineFault(line);
    if (fault !== undefined) return `lines[${index}].${fault}`;
  }
  return undefined;
}

function listFault(field: string, texts: readonly string[]): string | undefined {
  const index = texts.findIndex((text) => text === "" || loneSurrogate.test(text));
  return index < 0 ? undefined : `${field}[${index}] is empty or not well-formed text`;
}

function moneyFault({ amountMinor, currency }: Money): string | undefined {
  if (!isCurrency(currency)) return `currency ${JSON.stringify(currency)} is not three capital letters`;
  return countFault("total", amountMinor);
}

/** An order without lines, as other programs store it, may have any total. */
function totalFault({ amountMinor }: Money, lines: readonly OrderLine[]): string | undefined {
  if (lines.length === 0) return undefined;
  let sum = 0;
  for (const { quantity, unitPriceMinor } of lines) sum += quantity * unitPriceMinor;
  if (sum === amountMinor) return undefined;
  return `total is ${amountMinor}, and the lines are worth ${sum} minor units`;
}

function countFault(field: string, value: number): string | undefined {
  if (Number.isSafeInteger(value) && value >= 0) return undefined;
  return `${field} is ${value}, not a whole number from 0 to 2^53 - 1`;
}

/** Half a surrogate pair has no UTF-8 form: the decoded text would differ from the encoded one. */
const textFault = (field: string, text: string): string | undefined =>
  loneSurrogate.test(text) ? `${field} is not well-formed text` : undefined;
