/** Most characters of an idempotency key, an order id or a charge id. */
export const maxKeyLength = 255;

const text = { type: "string", minLength: 1, maxLength: maxKeyLength } as const;
const money = {
  amount_minor: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  currency: { type: "string", pattern: "^[A-Z]{3}$" },
} as const;

export const headersSchema = {
  type: "object",
  required: ["idempotency-key"],
  properties: { "idempotency-key": text },
} as const;

/** The body of a charge; other fields are refused. */
export const chargeSchema = {
  type: "object",
  additionalProperties: false,
  required: ["order_id", "amount_minor", "currency"],
  properties: { order_id: text, ...money },
} as const;

/** The body of a refund; other fields are refused. */
export const refundSchema = {
  type: "object",
  additionalProperties: false,
  required: ["charge_id", "amount_minor", "currency"],
  properties: { charge_id: text, ...money },
} as const;
