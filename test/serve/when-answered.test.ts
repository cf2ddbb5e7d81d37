import { expect, it, onTestFinished } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";
import { whenAnswered } from "../../src/serve/start-services.ts";
import { freeze, thaw } from "../support/freeze.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker } from "../support/start-test-broker.ts";

const patience = (patienceMs: number) => {
  const notes: string[] = [];
  return {
    notes,
    patienceMs,
    note: (text: string) => void notes.push(text),
    signal: new AbortController().signal,
  };
};

it("starts services on a broker that hangs once that answers again, and notes it once", async () => {
  const broker = await startTestBroker();
  const connection = await openTestConnection(broker.url, { timeoutMs: 200 });
  onTestFinished(async () => {
    await connection.close();
    await broker.stop();
  });
  await freeze(broker.pid);
  let tries = 0;
  const start = () => {
    tries += 1;
    if (tries === 3) thaw(broker.pid);
    return startServices(connection);
  };
  const waiting = patience(30_000);
  const services = await whenAnswered(start, waiting);
  await services.stop(1000);
  expect(tries).toBeGreaterThanOrEqual(3);
  expect(waiting.notes).toEqual([expect.stringMatching(/: no answer in time; trying for 30 s$/)]);
});

it("waits for a broker that cannot at the moment, and not for one that needs somebody's help", async () => {
  const passing = new OrderctlError("unavailable", "temporarily unavailable", { source: "broker" });
  const answers = [() => Promise.reject(passing), () => Promise.resolve("started")];
  expect(await whenAnswered(async () => answers.shift()?.(), patience(30_000))).toBe("started");
  const limit = new OrderctlError("unavailable", "a limit", { source: "broker", hint: "raise it" });
  await expect(whenAnswered(() => Promise.reject(limit), patience(30_000))).rejects.toBe(limit);
});

it("gives up when its patience is over, and at once on any other failure", async () => {
  const silent = new OrderctlError("timeout", "no answer in time");
  await expect(whenAnswered(() => Promise.reject(silent), patience(0))).rejects.toBe(silent);
  const taken = new OrderctlError("conflict", "the port is taken");
  await expect(whenAnswered(() => Promise.reject(taken), patience(30_000))).rejects.toBe(taken);
});

it("ends when it is interrupted", async () => {
  const silent = new OrderctlError("timeout", "no answer in time");
  const interrupted = { ...patience(30_000), signal: AbortSignal.abort("SIGINT") };
  await expect(whenAnswered(() => Promise.reject(silent), interrupted)).rejects.toBe("SIGINT");
});
