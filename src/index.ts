/**
 * The library: what a module that defines a flow imports. Loads neither the commands nor OpenTelemetry.
 *
 * @module orderctl
 */
export {
  DefinedFlow,
  type DepsOptions,
  defineFlow,
  every,
  no,
  type OutputOf,
  type SchemaDefinition,
  type SchemaEvent,
  type TypesOf,
} from "./flow/define/define-flow.ts";
export type { KeyPlace } from "./flow/define/existing-layout.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./flow/define/json-payload.ts";
export type {
  AuditPromise,
  CallOptions,
  DataOf,
  EffectCall,
  Emission,
  EventDefinition,
  ExistingStream,
  FlowBucket,
  FlowContext,
  FlowDefinition,
  FlowEventOf,
  FlowTypes,
  GivenOf,
  KindOf,
  ServiceDefinition,
  StatusOf,
} from "./flow/define/types.ts";
export type {
  CustomerNotified,
  EventKind,
  EventOf,
  Money,
  OrderCreated,
  OrderEvent,
  OrderLine,
  PaymentProcessed,
  PaymentRefunded,
  ShipmentBooked,
  StockReserved,
} from "./orders/events.ts";
export {
  type NotificationCode,
  type OrderContext,
  type OrderEnding,
  type OrderFlow,
  type OrderTypes,
  orders,
} from "./orders/replace-handler.ts";
