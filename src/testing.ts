/**
 * What a test of a flow imports.
 *
 * @module orderctl/testing
 */
export { type GivenEvent, type HandlerOptions, runHandler } from "./flows/run-handler.ts";
export { type FlowUnderTest, type GivenUp, type TestOptions, testFlow } from "./flows/test-flow.ts";
