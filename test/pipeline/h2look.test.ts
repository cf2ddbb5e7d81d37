import { it } from "vitest";
import { buildOrderTrace } from "../../src/pipeline/trace-picture.ts";
import { orderTree } from "../../src/views/order-tree.ts";
import { event, ways } from "../orders/order-log.ts";
import { sinceStart } from "./logged-order.ts";
import { tracedOrder } from "./traced-order.ts";
const id = "0197f3c2-8a41-7c3e-9d55-0242ac120002";
const times = [
  { received: -300, finished: -300, stored: 0 },
  { received: 1200, finished: 6800, stored: 7400, calls: [{from: 1300, to: 2300, error: "timeout: no answer in 1 s"},{from: 3000, to: 4000, error: "timeout: no answer in 1 s"},{from: 5000, to: 6700}] },
  { received: 7900, finished: 9100, stored: 9500 },
  { received: 10_100, finished: 10_250, stored: 10_700 },
  { received: 11_300, finished: 11_600, stored: 12_300 },
];
const style = { colour: false, width: 80, unicode: true };
const nowUs = sinceStart(3_200_000);
const show = (t: ReturnType<typeof tracedOrder>, w=80) => console.log(orderTree(buildOrderTrace({...t, nowUs}), {...style, width: w}));
it("looks", () => {
  show(tracedOrder(ways.SHIPPED(id), times, { request: { from: -900, to: 300 } }));
  show({ ...tracedOrder(ways.SHIPPED(id), times, { request: { from: -900, to: 300 } }), spans: [] });
  show(tracedOrder(ways.SHIPPED(id), times, { request: { from: -900, to: 300 } }), 140);
  const redelivered = times.with(1, { received: 81200, finished: 86800, stored: 87400, attempt: 3, failed: [{from: 1000, to: 21000, error: "unavailable: the gateway answered 503"},{from: 41000, to: 61000, error: "unavailable: the gateway answered 503"}], calls: [{from: 81300, to: 86000}] } as never).map((t,i)=> i<2? t : {...t, received: t.received+80000, finished: t.finished+80000, stored: t.stored+80000});
  show(tracedOrder(ways.SHIPPED(id), redelivered));
  show(tracedOrder(ways.SHIPPED(id), times.map((t,i)=>({...t, instance: `box-${i}`})), {ahead: {"box-2": 12000, "box-3": -7000}}));
});
