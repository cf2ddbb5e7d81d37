/** The library: what a module that defines a flow imports. Loads neither the commands nor OpenTelemetry. */
export { DefinedFlow, type DepsOptions, defineFlow, every, no } from "./flow/define/define-flow.ts";
export type { StandardSchema } from "./flow/define/json-payload.ts";
export type {
  AuditPromise,
  CallOptions,
  EffectCall,
  Emission,
  EventDefinition,
  FlowContext,
  FlowDefinition,
  FlowEventOf,
  FlowTypes,
  ServiceDefinition,
} from "./flow/define/types.ts";
export {
  type NotificationCode,
  type OrderContext,
  type OrderEnding,
  type OrderFlow,
  type OrderTypes,
  orders,
} from "./orders/replace-handler.ts";
