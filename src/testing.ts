/**
 * What a test of a flow imports.
 *
 * @module orderctl/testing
 */
import type { DefinedFlow } from "./flow/define/define-flow.ts";
import { type FlowVariant, isFlowVariant } from "./flow/define/flow-variant.ts";
import type { FlowEventOf, FlowTypes } from "./flow/define/types.ts";
import type { TestableFlow } from "./flow/testable-flow.ts";
import { ownTestable } from "./flows/own-testable.ts";
import { callHandler, type GivenEvent, type HandlerOptions } from "./flows/run-handler.ts";
import { type FlowUnderTest, startFlowTest, type TestOptions } from "./flows/test-flow.ts";

export type { FlowVariant } from "./flow/define/flow-variant.ts";
export type { GivenEvent, HandlerOptions } from "./flows/run-handler.ts";
export type { FlowUnderTest, GivenUp, TestOptions } from "./flows/test-flow.ts";

/** What a test can run: a flow of one's own, or the built-in one with a handler replaced. */
export type Tested<T extends FlowTypes, D> = DefinedFlow<T, D> | FlowVariant<T, D>;

/**
 * Starts a private nats-server and the flow's services, in this process. The server is the one that orderctl would use:
 * found on the machine, or fetched once. Breakers work as in `serve`, and try again after half a second. An event that
 * has failed three times is a dead letter.
 */
export async function testFlow<T extends FlowTypes, D>(
  flow: Tested<T, D>,
  options: TestOptions<D> = {},
): Promise<FlowUnderTest<T>> {
  return startFlowTest(await testableOf(flow), options);
}

/**
 * Calls a service's handler with an event, without a broker, and returns the event that it leads to; undefined where it
 * leads to none. Both are checked as they would be on their way through the log. Rejects as the handler does.
 */
export async function runHandler<T extends FlowTypes, D>(
  flow: Tested<T, D>,
  service: string,
  given: GivenEvent<T> & HandlerOptions<D>,
): Promise<FlowEventOf<T> | undefined> {
  return callHandler(await testableOf(flow), service, given);
}

async function testableOf(flow: object): Promise<TestableFlow> {
  if (!isFlowVariant(flow)) return ownTestable(flow as DefinedFlow);
  return (await import("./orders/testable-orders.ts")).testableOrders(flow);
}
