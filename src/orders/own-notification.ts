import type { DataEvent } from "../flow/define/event-codec.ts";
import { GivenContext, toldOf } from "../flow/define/given-context.ts";
import { handlerConcurrency, throughBreaker } from "../flow/define/handlers.ts";
import { openDeps } from "../flow/define/open-deps.ts";
import type { Data } from "../flow/define/payload.ts";
import { HandlerBreaker, handlerPatienceMs } from "../flow/define/service-breaker.ts";
import type { FlowLog } from "../flow/flow.ts";
import { type HandlerContext, nothing } from "../flow/handler.ts";
import type { OpenParts } from "../flow/testable-flow.ts";
import type { OrderEvent } from "./events.ts";
import type { NotificationCode, OrderContext, OrderEnding } from "./replace-handler.ts";
import { partners } from "./services/handlers.ts";
import type { Tell } from "./services/notification.ts";
import { decodeEvent } from "./wire/codec.ts";

/** A user's code for notifications, and what it works with. */
export type OwnNotification = {
  tell(log: FlowLog): Tell;
  channel: string;
  breaker: HandlerBreaker;
  concurrency: number;
  patienceMs: number;
  close(): Promise<void>;
};

type Options = Omit<OpenParts, "services">;

/** Rejects with `unavailable` where what the handler works with cannot be opened. */
export async function openNotification(
  code: NotificationCode<unknown>,
  { env, signal, note, deps: given, breakerOpenMs }: Options,
): Promise<OwnNotification> {
  const { channel = partners.channel, concurrency = handlerConcurrency } = code;
  const deps = given ?? (await openDeps(code.deps && ((options) => code.deps?.(options)), { env, signal }));
  const settings = breakerOpenMs === undefined ? {} : { openMs: breakerOpenMs };
  const breaker = new HandlerBreaker("notification", note, settings);
  return {
    tell: (log) => tellBy(code, { log, deps, breaker }),
    ...{ channel, breaker, concurrency },
    patienceMs: handlerPatienceMs,
    close: async () => void (given === undefined && (await code.close?.(deps))),
  };
}

type Working = { log: FlowLog; deps: unknown; breaker?: HandlerBreaker };

const names = { flow: "orders", service: "notification", keyField: "orderId" };

/** Calls the user's handler, as one of a flow of their own is called: behind a breaker, with the same context. */
export function tellBy({ handle }: NotificationCode<unknown>, { log, deps, breaker }: Working): Tell {
  const working = {
    deps,
    /** Where a handler reads: a test of it alone has no log. */
    get log() {
      return asDataLog(log);
    },
  };
  const guarded = throughBreaker(breaker, async (event, context) => {
    const given = new GivenContext({ event, context, working, names, emits: [], buckets: [] });
    await handle(toldOf(event) as OrderEnding, given as unknown as OrderContext);
    return nothing;
  });
  return async (event, context) =>
    void (await guarded(dataEventOf(event), context as unknown as HandlerContext<DataEvent>));
}

/** An order's event in the form that the events of users' flows have. */
export function dataEventOf({ kind, ...data }: OrderEvent): DataEvent {
  return { kind, key: data.orderId, data: data as Data };
}

/** The log for `ctx.read`. */
function asDataLog(log: FlowLog): FlowLog {
  const decode = (subject: string, bytes: Uint8Array) => dataEventOf(decodeEvent(subject, bytes));
  return {
    ...{ connection: log.connection, archive: log.archive },
    flow: { ...log.flow, decode },
  };
}
