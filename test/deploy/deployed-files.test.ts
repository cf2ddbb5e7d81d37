import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ramBytesPerEvent } from "../../src/flow/log-cost.ts";
import { metricSpecs } from "../../src/telemetry/metrics/metric-specs.ts";
import {
  dashboard,
  dashboardQueries,
  panels,
  readAsked,
  recordedNames,
  rulesText,
} from "./deployed-queries.ts";
import { type Exported, readExported } from "./exported-metrics.ts";

let exported: Exported;

beforeAll(async () => {
  exported = await readExported();
});

/** What Prometheus itself adds to every series, and what a recording rule's own labels may be. */
const ofPrometheus = ["job", "instance", "le", "severity"];

describe("the rules and the dashboard", () => {
  it("ask only for metrics that the program exports or a rule records", () => {
    const { metrics } = readAsked();
    expect(metrics.length).toBeGreaterThan(20);
    const known = new Set([...exported.series, ...recordedNames]);
    expect(metrics.filter((name) => !known.has(name))).toEqual([]);
  });

  it("ask only for labels that the program's metrics have", () => {
    const { labels } = readAsked();
    expect(labels.length).toBeGreaterThan(8);
    expect(labels.filter((label) => !exported.labels.has(label) && !ofPrometheus.includes(label))).toEqual(
      [],
    );
  });

  it("use each of our own metrics somewhere", () => {
    const { metrics } = readAsked();
    const own = exported.metrics.filter(({ name }) => /^(orderctl|messaging)\./.test(name));
    const used = (name: string) => metrics.some((asked) => asked === name || asked.startsWith(`${name}_`));
    const unused = own.filter(({ prometheusName }) => !used(prometheusName)).map(({ name }) => name);
    expect(unused).toEqual(["orderctl.consumer.redelivered"]);
  });
});

describe("the rules", () => {
  it("estimate the memory of a log as the program does", () => {
    const factors = [rulesText, ...dashboardQueries.map(({ query }) => query)].flatMap((text) =>
      [...text.matchAll(/orderctl_stream_messages\S*\) \* (\d+)/g)].map(([, factor]) => Number(factor)),
    );
    expect(factors).toEqual([ramBytesPerEvent, ramBytesPerEvent]);
  });

  it("say of every alert how bad it is, what is the matter and what to look at", () => {
    const alerts = rulesText.split("- alert: ").slice(1);
    expect(alerts.length).toBeGreaterThan(10);
    const bare = alerts.filter(
      (text) => !/severity: (warning|critical)[\s\S]*summary: \S[\s\S]*description: \S/.test(text),
    );
    expect(bare).toEqual([]);
  });
});

describe("the dashboard", () => {
  it("asks whatever data source is chosen for it", () => {
    expect(dashboard.templating.list[0]).toMatchObject({ name: "datasource", type: "datasource" });
    const sources = panels.flatMap(({ datasource, targets = [] }) => [
      datasource,
      ...targets.map((target) => target.datasource),
    ]);
    expect(new Set(sources.map((source) => source?.uid))).toEqual(new Set([`\${datasource}`]));
  });

  it("has a unit and an explanation on every panel", () => {
    const bare = panels.filter(({ fieldConfig, description }) => !fieldConfig?.defaults.unit || !description);
    expect(bare.map(({ title }) => title)).toEqual([]);
    expect(panels.length).toBeGreaterThan(15);
  });

  it("shows every panel once, none over another and none beyond the edge", () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const taken = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(taken).size).toBe(taken.length);
    expect(dashboard.panels.filter(({ gridPos }) => gridPos.x + gridPos.w > 24)).toEqual([]);
  });
});

describe("docs/metrics.md", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/metrics.md"), "utf8");
  const rows = [...text.matchAll(/^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \| ([^|]*) \|/gm)];
  const documented = rows.map(([, name = "", prometheusName = "", unit = "", attributes = ""]) => ({
    name,
    prometheusName,
    unit,
    attributes: [...attributes.matchAll(/`([^`]+)`/g)].map(([, attribute = ""]) => attribute).sort(),
  }));

  it("lists exactly the metrics that are exported, with their names, units and attributes", () => {
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
    expect(documented.sort(byName)).toEqual([...exported.metrics].sort(byName));
  });

  it("lists every metric that the program can name", () => {
    const names = documented.map(({ name }) => name);
    expect(Object.values(metricSpecs).filter(({ name }) => !names.includes(name))).toEqual([]);
  });
});
