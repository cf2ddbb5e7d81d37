import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { compileDefinedFlow } from "../../../src/flow/define/compile-flow.ts";
import { type DefinedFlow, defineFlow } from "../../../src/flow/define/define-flow.ts";
import type { DataEvent } from "../../../src/flow/define/event-codec.ts";
import { handlerOf } from "../../../src/flow/define/handlers.ts";
import { InTurn } from "../../../src/flow/define/in-turn.ts";
import type { FlowContext, ServiceDefinition } from "../../../src/flow/define/types.ts";
import type { Handler, HandlerContext } from "../../../src/flow/handler.ts";

type Jobs = {
  key: "id";
  events: {
    asked: { id: string; n: number };
    done: { id: string; how: "WELL" | "BADLY" };
    filed: { id: string };
  };
};
type Handle = (
  event: { data: { n: number }; key: string },
  ctx: FlowContext<Jobs, "done" | "filed", undefined>,
) => unknown;

const calls: [operation: string, attempt: number, error: string | undefined][] = [];

const context = (signal = new AbortController().signal): HandlerContext<DataEvent> => ({
  sequence: 7,
  attempt: 2,
  signal,
  watchCall: (operation, attempt) => ({
    headers: { traceparent: "00-x" },
    end: (error) => void calls.push([operation, attempt, error?.code]),
  }),
  watchHold: () => () => {},
  onStored: () => {},
});

const jobs = defineFlow<Jobs>({
  name: "jobs",
  key: "id",
  events: { asked: {}, done: { status: "how", statuses: ["WELL", "BADLY"] }, filed: {} },
});

async function handling(
  handle: Handle,
  more: Partial<ServiceDefinition<Jobs, "asked">> = {},
): Promise<Handler<DataEvent>> {
  const flow = jobs.service("work", { on: "asked", emits: ["done", "filed"], handle, ...more } as never);
  const compiled = await compileDefinedFlow(flow as unknown as DefinedFlow);
  const [service] = compiled.defined.services;
  if (!service) throw new Error("there is no service");
  return handlerOf(compiled, service, {
    log: undefined as never,
    deps: undefined,
    turns: new Map([["work", new InTurn()]]),
  });
}

const asked = (id = "a b", n = 1): DataEvent => ({
  kind: "asked",
  key: encodeURIComponent(id),
  data: { id, n },
});

describe("a handler of a defined flow", () => {
  it("is given the event and its place, and what it emits is about the same key", async () => {
    let told: unknown;
    const handle = await handling(({ data, key }, ctx) => {
      told = [data, key, ctx.sequence, ctx.attempt];
      return ctx.emit("done", { how: "WELL" });
    });
    expect(await handle(asked(), context())).toEqual({
      kind: "done",
      key: "a%20b",
      data: { id: "a b", how: "WELL" },
    });
    expect(told).toEqual([{ id: "a b", n: 1 }, "a b", 7, 2]);
  });

  it("need not return what it emits, and may emit nothing", async () => {
    expect(await (await handling((_, ctx) => void ctx.emit("filed", {})))(asked(), context())).toMatchObject({
      kind: "filed",
    });
    expect(await (await handling(() => undefined))(asked(), context())).toBeUndefined();
  });

  it.each<[string, Handle, RegExp]>([
    [
      "emits twice",
      (_, { emit }) => [emit("filed", {}), emit("done", { how: "WELL" })],
      /emits done beside filed/,
    ],
    [
      "emits what it did not say",
      (_, { emit }) => emit("asked" as never, {} as never),
      /emits asked, and says that it emits done, filed/,
    ],
    ["emits about another key", (_, { emit }) => emit("filed", { id: "c" }), /emits filed about another id/],
    ["returns what it should emit", () => ({ how: "WELL" }), /returns what it did not emit/],
    ["gives up", (_, ctx) => ctx.giveUp("no such policy"), /^no such policy$/],
  ])("that %s makes a dead letter at once, which says so", async (_, work, why) => {
    const handle = await handling(work);
    await expect(handle(asked(), context())).rejects.toMatchObject({
      code: "unprocessable",
      source: "message",
      message: expect.stringMatching(why),
    });
  });

  it("asks for its event later", async () => {
    const handle = await handling((_, ctx) => ctx.retryIn(1500, "not yet"));
    await expect(handle(asked(), context())).rejects.toMatchObject({ afterMs: 1500, message: "not yet" });
  });
});

describe("a call of another system", () => {
  it("has an idempotency key that is the same each time, and trace headers", async () => {
    const keys: unknown[] = [];
    const handle = await handling(async (_, ctx) => {
      await ctx.call("bank", (io) => keys.push([io.idempotencyKey, io.headers.traceparent, io.attempt]));
    });
    for (let n = 0; n < 2; n += 1) await handle(asked(), context());
    expect(keys).toEqual(Array(2).fill(["jobs/work/asked/a%20b/bank", "00-x", 1]));
  });

  it("is tried three times, each told, and then fails with its last error", async () => {
    calls.length = 0;
    const handle = await handling((_, ctx) => ctx.call("bank", () => Promise.reject(new Error("503"))));
    await expect(handle(asked(), context())).rejects.toMatchObject({
      code: "unavailable",
      source: "dependency",
      message: "bank: 503",
    });
    expect(calls).toEqual([
      ["bank", 1, "unavailable"],
      ["bank", 2, "unavailable"],
      ["bank", 3, "unavailable"],
    ]);
  });

  it("that takes too long is aborted, and says so", async () => {
    let aborted = false;
    const handle = await handling((_, ctx) =>
      ctx.call(
        "bank",
        ({ signal }) =>
          new Promise(() =>
            signal.addEventListener("abort", () => {
              aborted = true;
            }),
          ),
        { timeoutMs: 20, attempts: 1 },
      ),
    );
    await expect(handle(asked(), context())).rejects.toMatchObject({
      code: "timeout",
      message: "bank: no answer within 0.02 s",
    });
    expect(aborted).toBe(true);
  });

  it("is not repeated for what is the message's own fault, nor once the work is to stop", async () => {
    let times = 0;
    const fault = new OrderctlError("unprocessable", "no", { source: "message" });
    const final = await handling((_, ctx) =>
      ctx.call("bank", () => {
        times += 1;
        throw fault;
      }),
    );
    await expect(final(asked(), context())).rejects.toBe(fault);
    const stop = new AbortController();
    const stopped = await handling((_, ctx) =>
      ctx.call("bank", () => {
        times += 1;
        stop.abort();
        throw new Error("gone");
      }),
    );
    await expect(stopped(asked(), context(stop.signal))).rejects.toThrow();
    expect(times).toBe(2);
  });
});

it("works on one event of a key at a time where that is asked for, and on different keys at once", async () => {
  const log: string[] = [];
  const gates = new Map<number, () => void>();
  const handle = await handling(
    async ({ data: { n } }) => {
      log.push(`begin ${n}`);
      await new Promise<void>((resolve) => gates.set(n, resolve));
      log.push(`end ${n}`);
      if (n === 1) throw new Error("failed");
    },
    { ordered: true },
  );
  const [first, second, other] = [
    handle(asked("a", 1), context()),
    handle(asked("a", 2), context()),
    handle(asked("b", 3), context()),
  ];
  const failed = expect(first).rejects.toThrow("failed");
  await Promise.resolve();
  expect(log).toEqual(["begin 1", "begin 3"]);
  gates.get(3)?.();
  await other;
  gates.get(1)?.();
  await failed;
  expect(log).toEqual(["begin 1", "begin 3", "end 3", "end 1", "begin 2"]);
  gates.get(2)?.();
  await second;
});
