import { OrderctlError } from "../../core/errors.ts";
import { generateBare, workBare } from "./bare-pipeline.ts";
import { publishBare } from "./bare-publish.ts";
import type { Figures } from "./figures.ts";
import { generateOwn, workOwn } from "./own-pipeline.ts";
import { publishOwn } from "./own-publish.ts";
import { runStage } from "./run-stage.ts";
import type { BenchMessage, BenchTask, Tell } from "./task.ts";

// Entry point of a measured process: it takes one task, answers it, and is ended by its parent. Ctrl-C sends SIGINT to
// this process too, which ignores it because the parent decides; without a parent it exits at once.
process.on("SIGINT", () => {});
process.once("disconnect", () => process.exit(1));
process.once("message", (task: BenchTask) => void answer(task));

const send = (message: BenchMessage): void => void process.send?.(message);

async function answer(task: BenchTask): Promise<void> {
  const tell: Tell = { ready: () => send({ kind: "ready" }), note: (text) => send({ kind: "note", text }) };
  try {
    send({ kind: "done", figures: await perform(task, tell) });
  } catch (thrown) {
    const { code, message } = OrderctlError.from(thrown);
    send({ kind: "failed", code, message });
  }
}

function perform(task: BenchTask, tell: Tell): Promise<Figures | null> {
  if (task.kind === "publish") {
    const bare = task.way === "client" || task.way === "pipelined";
    return bare ? publishBare(task) : publishOwn(task);
  }
  if (task.kind === "stage") return runStage(task, tell);
  if (task.kind === "generate") return task.side === "bare" ? generateBare(task) : generateOwn(task);
  return task.side === "bare" ? workBare(task, tell) : workOwn(task, tell);
}
