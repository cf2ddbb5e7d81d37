import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { noFaults } from "../../../src/orders/gateway/simulator/faults.ts";
import type { LedgerEntry } from "../../../src/orders/gateway/simulator/ledger.ts";
import { openSimulator, type Simulator } from "../../../src/orders/gateway/simulator/open-simulator.ts";

/** A file's path in a folder that is removed with the test. */
export async function temporaryFile(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "orderctl-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, name);
}

type Options = { ledger?: string; seed?: number; declineShare?: number };

/** The simulated gateway in the test's process, on a free port, until the test ends. */
export async function startSimulator(options: Options = {}): Promise<Simulator> {
  const { seed = 1, declineShare = 0 } = options;
  const simulator = await openSimulator({
    host: "127.0.0.1",
    port: 0,
    ledger: options.ledger ?? (await temporaryFile("ledger.ndjson")),
    decision: { seed, declineShare },
    faults: noFaults,
    note: () => {},
  });
  onTestFinished(() => simulator.stop(0).catch(() => {}));
  return simulator;
}

const json = { "content-type": "application/json" };

/** Every entry of a kind. */
export async function readBooked(url: string, kind: "charges" | "refunds"): Promise<LedgerEntry[]> {
  const text = await (await fetch(`${url}/${kind}`)).text();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** One call as a client of any kind makes it. */
export async function post(
  url: string,
  body: Record<string, unknown>,
  key?: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = key === undefined ? json : { ...json, "idempotency-key": key };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

export const order = (order_id: string, amount_minor = 1999) => ({ order_id, amount_minor, currency: "GBP" });
