import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../../src/broker/run-command.ts";
import { freePort } from "../support/free-ports.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { orderctl, type Supervised, supervise } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { dashboardQueries, deployDir, recordedNames } from "./deployed-queries.ts";
import { findPrometheus } from "./find-prometheus.ts";
import { type Prometheus, startPrometheus } from "./start-prometheus.ts";

const found = await findPrometheus(process.env);
const programs = "missing" in found ? { prometheus: "", promtool: "" } : found;
const about = "missing" in found ? `a real Prometheus (skipped: ${found.missing})` : "a real Prometheus";

describe.skipIf("missing" in found)(about, () => {
  const promtool = (...args: string[]) => runCommand(programs.promtool, args, { cwd: join(deployDir, "..") });

  it("accepts the rules and the example configuration", async () => {
    await promtool("check", "rules", "deploy/prometheus/orderctl.rules.yml");
    await promtool("check", "config", "deploy/prometheus/prometheus.yml");
  });

  it("raises each alert where it should, and none where all is well", async () => {
    await promtool("test", "rules", "test/deploy/orderctl.rules.test.yml");
  });

  describe("that scrapes a running pipeline", () => {
    let broker: TestBroker;
    let services: Supervised;
    let prometheus: Prometheus;
    let url: string;
    let store: string;

    const publish = async (count: number) => {
      const published = await orderctl(`publish order --count ${count} --wait --server ${broker.url}`);
      expect(published, published.stderr).toMatchObject({ exitCode: 0 });
    };
    const read = async (promql: string): Promise<number> =>
      Number((await prometheus.query(promql))[0]?.value[1] ?? Number.NaN);

    beforeAll(async () => {
      broker = await startTestBroker();
      const port = await freePort();
      url = `http://127.0.0.1:${port}`;
      // A gateway that fails now and then, and is asked once only: some deliveries come again, none so often that it is given up.
      const gateway =
        "--gateway-errors 0.15 --gateway-attempts 1 --breaker-failures 1000 --decline-share 0.2";
      const ports = `--http-port 0 --metrics-port ${port}`;
      store = await mkdtemp(join(tmpdir(), "orderctl-archive-"));
      const archive = `--archive ${store} --keep 1s --segment-events 200`;
      services = supervise(`serve all --server ${broker.url} ${gateway} ${archive} ${ports}`);
      prometheus = await startPrometheus(programs.prometheus, `127.0.0.1:${port}`);
      await until(async () => (await read('up{job="orderctl"}')) === 1, 20_000);
      await publish(200);
      await until(async () => (await read("sum(orderctl_orders_ended_total)")) === 200, 20_000);
      await publish(100);
      await until(async () => (await read("sum(orderctl_orders_ended_total)")) === 300, 20_000);
    });

    afterAll(async () => {
      await prometheus?.stop();
      await services?.stop();
      await broker?.stop();
      if (store) await rm(store, { recursive: true, force: true });
    });

    it("sees what was done", async () => {
      expect(await read("sum(orderctl_payments_total)")).toBe(300);
      expect(await read('sum(orderctl_payments_total{outcome="declined", reason!=""})')).toBeGreaterThan(10);
      expect(await read("sum(orderctl_retries_total)")).toBeGreaterThan(10);
      expect(await read("sum(rate(orderctl_orders_ended_total[1m]))")).toBeGreaterThan(0);
      // Read from the broker every 5 s; what is archived leaves the stream.
      await until(
        async () => (await read('max_over_time(orderctl_stream_messages{stream="ORDERS"}[5m])')) > 1000,
      );
      await until(async () => (await read('orderctl_archive_moved_to{stream="ORDERS"}')) >= 1000, 20_000);
      expect(await read("orderctl_archive_problems")).toBe(0);
      expect(await read("orderctl_dead_letters")).toBe(0);
      expect(
        await read('orderctl_order_duration_seconds_bucket{outcome="declined", le="+Inf"}'),
      ).toBeGreaterThan(0);
      const [target] = await prometheus.query("target_info");
      expect(target?.metric.service_name).toBe("orderctl");
    });

    it("answers every query of the dashboard, with nothing only where nothing happened", async () => {
      const empty: string[] = [];
      for (const { title, query } of dashboardQueries) {
        if ((await prometheus.query(query)).length === 0) empty.push(title);
      }
      expect(empty).toEqual(["Failures (B)", "Archive behind (B)"]);
    });

    it("evaluates every rule without an error, and records what the rules record", async () => {
      const done = async () => (await prometheus.rules()).every(({ health }) => health !== "unknown");
      await until(done, 20_000);
      const rules = await prometheus.rules();
      expect(rules.filter(({ health, lastError }) => health !== "ok" || lastError)).toEqual([]);
      for (const name of recordedNames) {
        await until(async () => (await prometheus.query(name)).length > 0, 20_000);
      }
    });

    it("learns that a process cannot reach the broker, and that it can again", async () => {
      const rules = await prometheus.rules();
      const notReady = rules.find(({ name }) => name === "OrderctlNotReady")?.query ?? "";
      expect(await prometheus.query(notReady)).toEqual([]);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      await broker.kill();
      await until(async () => (await prometheus.query(notReady)).length === 1, 20_000);
      expect((await fetch(`${url}/readyz`)).status).toBe(503);
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      await broker.restart();
      await until(async () => (await prometheus.query(notReady)).length === 0, 20_000);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    });
  });
});
