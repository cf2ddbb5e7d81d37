import type { Online, Register } from "../../cli/command-action.ts";
import { count, withConnection, withGiveUp } from "../../cli/options.ts";
import { OrderctlError } from "../../core/errors.ts";
import { catalogueOf } from "../catalogue.ts";
import { findSkuFault } from "../wire/event-fault.ts";
import { readStock, type StockLevel } from "./read-stock.ts";
import { setStock } from "./set-stock.ts";
import { stockTable } from "./stock-table.ts";

type SetOptions = { catalogue: boolean; new: boolean; units?: number };

export const registerInventory: Register = (command, act) => {
  const set = command
    .command("set")
    .description("set how many units are on the shelf; what orders have taken stays as it is")
    .argument("[sku=units...]", "LANTERN-001=250; without =units it is --units")
    .option("--catalogue", "every SKU that synthetic orders are made of", false)
    .option("--units <n>", "for each SKU that is named without", count)
    .option("--new", "stock a SKU although another differs from it in case only", false);
  withConnection(withGiveUp(set)).action(
    act.online(setUnits, { check: (options: SetOptions, args) => unitsBySku(args, options) }),
  );
  const list = command
    .command("list")
    .description("units available, reserved by orders and, of those, held by orders not settled yet")
    .argument("[sku...]", "only these")
    .addHelpText("after", "\nExit code: 1 where an entry cannot be read; the others are shown all the same.");
  withConnection(list).action(act.online(listStock));
};

async function setUnits(online: Online, options: SetOptions, args: string[]) {
  const items = await setStock(online, unitsBySku(args, options), { isNew: options.new });
  online.terminal.show("stock", { items }, stockTable);
  return undefined;
}

async function listStock(online: Online, _options: unknown, skus: string[]) {
  const stocked = await readStock(online);
  const items = skus.length === 0 ? stocked : skus.map((sku) => itemOf(stocked, sku));
  online.terminal.show("stock", { items }, stockTable);
  return items.some(({ error }) => error !== null) ? 1 : 0;
}

function itemOf(stocked: readonly StockLevel[], sku: string): StockLevel {
  const item = stocked.find((level) => level.sku === sku);
  if (item) return item;
  const twin = stocked.find((level) => level.sku.toLowerCase() === sku.toLowerCase());
  throw new OrderctlError("not_found", `nobody has stocked ${JSON.stringify(sku)}`, {
    hint: twin
      ? `did you mean ${twin.sku}?`
      : "`orderctl inventory list` shows what is stocked; anything else has the service's --default-stock",
  });
}

function unitsBySku(args: readonly string[], { catalogue, units }: SetOptions): Map<string, number> {
  const named = catalogue ? [...args, ...unnamed(args)] : args;
  if (named.length === 0)
    throw new OrderctlError("usage", "name what to stock: <sku>=<units>, or --catalogue");
  const result = new Map<string, number>();
  for (const arg of named) {
    const { sku, units: own = units } = parseArg(arg);
    if (own === undefined)
      throw new OrderctlError("usage", `how many of ${sku}? say ${sku}=<units> or --units`);
    if (result.has(sku)) throw new OrderctlError("usage", `${sku} is named twice`);
    result.set(sku, own);
  }
  return result;
}

/** SKUs of the catalogue that no argument names. */
function unnamed(args: readonly string[]): string[] {
  const own = new Set(args.map((arg) => parseArg(arg).sku));
  return catalogueOf()
    .map(({ sku }) => sku)
    .filter((sku) => !own.has(sku));
}

/** Splits at the last `=`: a SKU may contain one. */
function parseArg(arg: string): { sku: string; units?: number } {
  const end = arg.lastIndexOf("=");
  const sku = end < 0 ? arg : arg.slice(0, end);
  if (sku === "") throw badArg(arg);
  const fault = findSkuFault(sku);
  if (fault !== undefined) throw new OrderctlError("usage", fault);
  if (end < 0) return { sku };
  try {
    return { sku, units: count(arg.slice(end + 1)) };
  } catch (cause) {
    throw badArg(arg, cause);
  }
}

const badArg = (arg: string, cause?: unknown): OrderctlError =>
  new OrderctlError("usage", `${JSON.stringify(arg)} is not of the form <sku>=<units>`, {
    hint: "for example LANTERN-001=250; units are a whole number from 0",
    cause,
  });
