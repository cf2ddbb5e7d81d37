import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    globalSetup: "test/install-broker.ts",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Each file starts its own nats-server; two at a time is what two cores carry.
    maxWorkers: 2,
  },
});
