import type { EventKind } from "../events.ts";
import type { PaymentGateway } from "../gateway/gateway.ts";
import type { StockShelf } from "../stock/stock-shelf.ts";
import type { EventStatus } from "../wire/peek-status.ts";
import type { Handler } from "./handler.ts";
import { reserveStock } from "./inventory.ts";
import { notifyCustomer } from "./notification.ts";
import { processPayment, type ReadPayment, refundPayment } from "./payment.ts";
import { bookShipment } from "./shipping.ts";

/** What a service's handlers are made from. */
export type Parts = {
  gateway: PaymentGateway;
  shelf: StockShelf;
  carrier: string;
  channel: string;
  readPayment: ReadPayment;
};

/** Who ships and how customers are told; there is no other yet. */
export const partners = { carrier: "parcel", channel: "email" } as const;

/** A handler, what it consumes and under which durable name; with `only`, just events of that status. */
type Station = {
  consumer: string;
  consumes: EventKind;
  only?: EventStatus;
  handler: (parts: Parts) => Handler;
};

const notification = ({ channel }: Parts): Handler => notifyCustomer(channel);

/** Every service that works on the log. A service with several stations runs a worker for each. */
export const services = {
  payment: [
    { consumer: "payment-processor", consumes: "created", handler: ({ gateway }) => processPayment(gateway) },
    {
      consumer: "payment-refunder",
      consumes: "reservations",
      only: "OUT_OF_STOCK",
      handler: ({ gateway, readPayment }) => refundPayment(gateway, readPayment),
    },
  ],
  inventory: [
    {
      consumer: "inventory-reserver",
      consumes: "payments",
      only: "APPROVED",
      handler: ({ shelf }) => reserveStock(shelf),
    },
  ],
  shipping: [
    {
      consumer: "shipping-booker",
      consumes: "reservations",
      only: "RESERVED",
      handler: ({ carrier }) => bookShipment(carrier),
    },
  ],
  notification: [
    { consumer: "notification-declined", consumes: "payments", only: "DECLINED", handler: notification },
    { consumer: "notification-shipped", consumes: "shipments", handler: notification },
    { consumer: "notification-refunded", consumes: "refunds", handler: notification },
  ],
} as const satisfies Record<string, readonly Station[]>;

export type ServiceName = keyof typeof services;

export const serviceNames = Object.keys(services).filter((name): name is ServiceName => name in services);

export const stationsOf = (service: ServiceName): readonly Station[] => services[service];

/** Every durable consumer of the pipeline. */
export const consumerTable: readonly Station[] = serviceNames.flatMap(stationsOf);

/** What a user can run: the order API first, then the services that work on the log. */
export const runnableNames = ["order", ...serviceNames] as const;

export type RunnableName = (typeof runnableNames)[number];
