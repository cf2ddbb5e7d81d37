import { compileFlow, type FlowTable, type KindEntry } from "../flow/flow.ts";
import type { EventKind } from "./events.ts";

const orderIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** True for an id that may become a subject token: it has no wildcard, dot or space that would change the subject. */
export const isOrderId = (id: string): boolean => orderIdPattern.test(id);

/** The flow of an order: the one place that says which event follows from which, and which service stores it. */
const table = {
  name: "orders",
  stream: "ORDERS",
  isKey: isOrderId,
  keyName: "an order id",
  keyForm: "1 to 64 letters, digits, '-' or '_'",
  keyField: "order_id",
  noun: { one: "order", many: "orders" },
  callee: "gateway",
  kinds: {
    created: { label: "created", becomes: "created" },
    payments: {
      label: "payment",
      becomes: { APPROVED: "paid", DECLINED: "declined" },
      refusals: ["DECLINED"],
    },
    reservations: {
      label: "reservation",
      becomes: { RESERVED: "reserved", OUT_OF_STOCK: "out_of_stock" },
      refusals: ["OUT_OF_STOCK"],
    },
    shipments: { label: "shipment", becomes: "shipped" },
    refunds: { label: "refund", becomes: "refunded" },
    notifications: {
      label: "notification",
      ends: true,
      outcomes: { SHIPPED: "good", DECLINED: "bad", REFUNDED: "mixed" },
    },
  },
  sources: ["order", "publisher"],
  secondEvent: "a second event of a kind for an order is taken, and an order may be charged twice",
  buckets: [
    {
      name: "INVENTORY",
      promises: { max_age: "stock is forgotten, and what was sold out counts as never stocked" },
    },
  ],
  services: {
    payment: [
      { consumer: "payment-processor", on: "created", emits: ["payments"] },
      { consumer: "payment-refunder", on: "reservations", when: "OUT_OF_STOCK", emits: ["refunds"] },
    ],
    inventory: [
      { consumer: "inventory-reserver", on: "payments", when: "APPROVED", emits: ["reservations"] },
    ],
    shipping: [{ consumer: "shipping-booker", on: "reservations", when: "RESERVED", emits: ["shipments"] }],
    notification: [
      { consumer: "notification-declined", on: "payments", when: "DECLINED", emits: ["notifications"] },
      { consumer: "notification-shipped", on: "shipments", emits: ["notifications"] },
      { consumer: "notification-refunded", on: "refunds", emits: ["notifications"] },
    ],
  },
} as const satisfies FlowTable & { kinds: Record<EventKind, KindEntry> };

/** Every service that consumes the log. */
export type ServiceName = keyof typeof table.services;

type Entries = (typeof table.services)[ServiceName][number];

export type ConsumerName = Entries["consumer"];

export const orderShape = compileFlow(table);
