import { orderctl } from "#wire";
import { OrderctlError } from "../../core/errors.ts";

const wire = orderctl.orders.v1;

export const paymentStatus = wireEnum("status", {
  APPROVED: wire.PaymentStatus.PAYMENT_STATUS_APPROVED,
  DECLINED: wire.PaymentStatus.PAYMENT_STATUS_DECLINED,
});
export const reservationStatus = wireEnum("status", {
  RESERVED: wire.ReservationStatus.RESERVATION_STATUS_RESERVED,
  OUT_OF_STOCK: wire.ReservationStatus.RESERVATION_STATUS_OUT_OF_STOCK,
});
export const notificationType = wireEnum("type", {
  SHIPPED: wire.NotificationType.NOTIFICATION_TYPE_SHIPPED,
  DECLINED: wire.NotificationType.NOTIFICATION_TYPE_DECLINED,
  REFUNDED: wire.NotificationType.NOTIFICATION_TYPE_REFUNDED,
});

/** Both directions of an enum; unspecified and unknown numbers have no name and are refused. */
function wireEnum<Name extends string, Value extends number>(field: string, toWire: Record<Name, Value>) {
  const names = new Map<number, Name>(
    Object.entries(toWire).map(([name, value]) => [value as Value, name as Name]),
  );
  const fromWire = (value: number): Name => {
    const name = names.get(value);
    if (name === undefined)
      throw new OrderctlError("bad_message", `${field} ${value} is unspecified or unknown`);
    return name;
  };
  return { toWire, fromWire };
}
