import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    globalSetup: "test/install-broker.ts",
    testTimeout: 60_000,
    // A failure that shows once has to tell all that was compared.
    chaiConfig: { truncateThreshold: 0 },
    hookTimeout: 120_000,
    // Ink leaves out every frame but the last where these say so; the tests look at what an operator's terminal gets.
    env: { CI: "false", CONTINUOUS_INTEGRATION: "false" },
    // Each file starts its own nats-server; two at a time is what two cores carry.
    maxWorkers: 2,
  },
});
