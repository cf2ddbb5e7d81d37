import { it } from "vitest";
import { buildOrderTrace,buildSpanTrace } from "../../src/pipeline/trace-picture.ts";
import { filterTrace } from "../../src/pipeline/trace-filter.ts";
import { orderTree } from "../../src/views/order-tree.ts";
import { traceTree } from "../../src/views/trace-tree.ts";
import { sinceStart } from "./logged-order.ts";
import * as samples from "./trace-samples.ts";
const style = { colour: false, width: 80, unicode: true };
it("looks", () => {
  for (const [name, s] of Object.entries(samples)) {
    if (typeof s === "function") continue;
    console.log(name + "\n" + orderTree(buildOrderTrace({...s, nowUs: sinceStart(5_200_000)}), style));
  }
  const t0 = performance.now();
  const t = buildSpanTrace(samples.checkoutOfManySpans());
  const text = traceTree(t, style);
  console.log(performance.now() - t0, "ms");
  console.log(text);
  console.log(traceTree(t, {...style, width: 140}));
  console.log(traceTree(filterTrace(t, {errors: true}), {...style, unicode: false}));
  console.log(traceTree(filterTrace(t, {critical: true}), style));
  console.log(traceTree(filterTrace(t, {minMs: 16}), style));
  console.log(orderTree(filterTrace(buildOrderTrace({...samples.retried, nowUs: 0}), {critical: true}), style));
  console.log(orderTree(filterTrace(buildOrderTrace({...samples.retried, nowUs: 0}), {errors: true}), style));
  console.log(orderTree(filterTrace(buildOrderTrace({...samples.shipped, nowUs: 0}), {errors: true}), style));
});
