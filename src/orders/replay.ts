import type { Flags, ReplayProgram } from "../cli/flow-program.ts";
import { count, share } from "../cli/options.ts";
import { OrderctlError } from "../core/errors.ts";
import type { StockShelf } from "./stock/stock-shelf.ts";

type ReplayFlags = { declineShare: number; gatewaySeed: number };

/** Inventory cannot be replayed: the log does not have the stock that was on the shelf at the time. */
export const orderReplay: ReplayProgram = {
  services: ["payment", "shipping", "notification"],
  refusals: {
    inventory: {
      why: "inventory cannot be replayed: what was on the shelf then is not in the log",
      hint: "`orderctl audit` proves that nothing was oversold",
    },
  },
  storeRefusals: {
    payment: {
      why: "--store is not for payment: a charge moves money, and a replay calls no real gateway",
      hint: "`orderctl serve payment` charges what is missing, each order once",
    },
  },
  withFlags: (command) =>
    command
      .option("--decline-share <share>", "--service payment: as `serve` was given it", share, 0.02)
      .option("--gateway-seed <n>", "--service payment: as `serve` was given it", count, 1),
  async openHandlers(log, flags) {
    const { createSimulatedGateway } = await import("./gateway/simulated-gateway.ts");
    const { paymentReader } = await import("./payment-reader.ts");
    const { createHandlers, partners } = await import("./services/handlers.ts");
    const { declineShare, gatewaySeed: seed } = flags as Flags & ReplayFlags;
    return createHandlers({
      gateway: createSimulatedGateway({ seed, declineShare, latencyMs: 0 }),
      shelf: emptyShelf,
      readPayment: paymentReader(log),
      ...partners,
    });
  },
  resumeFlags(service, flags) {
    const { declineShare, gatewaySeed } = flags as Flags & ReplayFlags;
    const isPayment = service === "payment";
    return [
      ["decline-share", isPayment ? declineShare : undefined],
      ["gateway-seed", isPayment ? gatewaySeed : undefined],
    ];
  },
};

const emptyShelf: Pick<StockShelf, "take" | "settle"> = {
  take: async () => {
    throw new OrderctlError("internal", "a replay has no stock");
  },
  settle: () => {},
};
