import { OrderctlError } from "../../core/errors.ts";
import { clearBroker, type Environment } from "./environment.ts";
import type { Figures } from "./figures.ts";
import { runTask } from "./run-task.ts";
import type { GenerateTask, PublishTask, StageTask, WorkTask } from "./task.ts";

type Asked<T> = Omit<T, "kind" | "connection" | "brokerPid">;

/** One run of one way of publishing, in a process of its own. */
export const measurePublish = (environment: Environment, asked: Asked<PublishTask>): Promise<Figures> =>
  measureAlone(environment, { ...taskOf(environment), ...asked, kind: "publish" });

/** One run of one stage of a flow, in a process of its own. */
export const measureStage = (environment: Environment, asked: Asked<StageTask>): Promise<Figures> =>
  measureAlone(environment, { ...taskOf(environment), ...asked, kind: "stage" });

async function measureAlone(environment: Environment, task: PublishTask | StageTask): Promise<Figures> {
  await clearBroker(environment);
  return withinPatience(environment, task, async (signal) =>
    measured(await runTask(task, { ...environment, signal })),
  );
}

/** `feedWindow`: most orders in flight from the process that makes them. */
type Flow = Asked<WorkTask> & { feedWindow: number };

/**
 * One run of a pipeline: starts a worker process, which is measured, and, once that is ready, a process that makes
 * orders.
 */
export async function measureFlow(
  environment: Environment,
  { feedWindow, ...asked }: Flow,
): Promise<Figures> {
  await clearBroker(environment);
  const { side, count, rate, spansTo } = asked;
  const work: WorkTask = { ...taskOf(environment), ...asked, kind: "work" };
  const generate: GenerateTask = {
    ...taskOf(environment),
    kind: "generate",
    side,
    count,
    rate,
    window: feedWindow,
    spansTo,
  };
  return withinPatience(environment, asked, (signal) => runBoth(work, generate, { ...environment, signal }));
}

/** If one of the two processes fails, the other is ended. Both have exited when this returns. */
async function runBoth(
  work: WorkTask,
  generate: GenerateTask,
  { signal, note }: Environment,
): Promise<Figures> {
  const failure = new AbortController();
  const watch = { note, signal: AbortSignal.any([signal, failure.signal]) };
  let generated: Promise<unknown> = Promise.resolve();
  const onReady = () => {
    generated = runTask(generate, watch);
    generated.catch((thrown) => failure.abort(thrown));
  };
  try {
    const figures = measured(await runTask(work, { ...watch, onReady }));
    await generated;
    return figures;
  } catch (thrown) {
    failure.abort(thrown);
    await generated.catch(() => {});
    throw thrown;
  }
}

const taskOf = ({ config, brokerPid }: Environment) => ({ connection: config, brokerPid });

function measured(figures: Figures | null): Figures {
  if (!figures) throw new OrderctlError("internal", "a run measured nothing");
  return figures;
}

/** Time limit of a run: this and 2 ms for each message, in addition to the time that its rate makes it take. */
const patienceMs = 60_000;
const patiencePerMessageMs = 2;

async function withinPatience<T>(
  { signal }: Environment,
  { count, rate = 0 }: { count: number; rate?: number },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const dueMs = rate > 0 ? (count / rate) * 1000 : 0;
  const limitMs = Math.ceil(patienceMs + dueMs + count * patiencePerMessageMs);
  const deadline = AbortSignal.timeout(limitMs);
  try {
    return await run(AbortSignal.any([signal, deadline]));
  } catch (thrown) {
    if (thrown !== deadline.reason) throw thrown;
    throw new OrderctlError("timeout", `a run had not ended after ${Math.round(limitMs / 1000)} s`);
  }
}
