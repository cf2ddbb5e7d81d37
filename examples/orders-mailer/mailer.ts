import { createTransport } from "nodemailer";
import { type OrderEnding, orders } from "orderctl";

/** The order flow, whose customers are told by mail. */
export default orders.replace("notification", {
  // Shorter than the time for a call, so that a mail is not on its way any more when the next attempt begins.
  deps: ({ env }) =>
    createTransport({
      url: env.SMTP_URL ?? "smtp://127.0.0.1:1025",
      pool: true,
      connectionTimeout: 5000,
      greetingTimeout: 5000,
      socketTimeout: 5000,
    }),
  close: (mails) => mails.close(),
  async handle(event, ctx) {
    // Of an earlier delivery, which was stored and not acknowledged: the mail is sent.
    if (await ctx.read("notifications")) return;
    const order = await ctx.read("created");
    if (!order) return ctx.giveUp("the log has no order of that id");
    await ctx.call(
      "smtp",
      async ({ idempotencyKey }) => {
        const mail = {
          from: "The Shop <orders@shop.example>",
          to: addressOf(order.data.customerId),
          // The same each time that this mail is sent: who gets it twice can tell.
          messageId: `<${idempotencyKey}@shop.example>`,
          ...letterOf(event),
        };
        try {
          await ctx.deps.sendMail(mail);
        } catch (error) {
          const refusal = refusalOf(error);
          if (refusal?.isFinal) ctx.giveUp(`${mail.to}: ${refusal.response}`);
          if (refusal) ctx.retryIn(60_000, `${mail.to}: ${refusal.response}`);
          throw error;
        }
      },
      { timeoutMs: 20_000 },
    );
  },
});

/** Where a customer's mail goes: a look-up in your own data. */
const addressOf = (customerId: string): string => `${customerId}@customers.example`;

function letterOf({ kind, key, data }: OrderEnding): { subject: string; text: string } {
  if (kind === "shipments")
    return {
      subject: `Your order ${key} is on its way`,
      text: `${data.carrier} brings it: ${data.trackingId}`,
    };
  if (kind === "refunds")
    return {
      subject: `Your order ${key} is sold out`,
      text: `You get back ${moneyText(data.total)}.`,
    };
  return {
    subject: `Your order ${key} was not paid`,
    text: `Your bank refuses ${moneyText(data.total)}: ${data.reason}`,
  };
}

const moneyText = ({ amountMinor, currency }: { amountMinor: number; currency: string }): string =>
  new Intl.NumberFormat("en", { style: "currency", currency }).format(amountMinor / 100);

/**
 * What the server has against this mail, and whether it says so for good (5xx) or for now (4xx); undefined where it has
 * failed as a whole, which is no fault of the mail.
 */
function refusalOf(error: unknown): { isFinal: boolean; response: string } | undefined {
  const {
    code,
    responseCode = 0,
    response = "",
  } = error as {
    code?: string;
    responseCode?: number;
    response?: string;
  };
  return code === "EENVELOPE" ? { isFinal: responseCode >= 500, response } : undefined;
}
