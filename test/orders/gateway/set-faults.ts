import type { Faults } from "../../../src/orders/gateway/simulator/faults.ts";

/** Those that are not named go away. */
export async function setFaults(url: string, faults: Partial<Faults>): Promise<void> {
  const headers = { "content-type": "application/json" };
  const { status } = await fetch(`${url}/faults`, { method: "PUT", headers, body: JSON.stringify(faults) });
  if (status !== 200) throw new Error(`PUT /faults: ${status}`);
}
