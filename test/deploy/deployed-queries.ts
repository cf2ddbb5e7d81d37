import { readFileSync } from "node:fs";
import { join } from "node:path";

export const deployDir = join(import.meta.dirname, "../../deploy");

const read = (path: string): string => readFileSync(join(deployDir, path), "utf8");

export const rulesText = read("prometheus/orderctl.rules.yml");

type Target = { expr: string; refId: string; datasource: { type: string; uid: string } };

export type Panel = {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  fieldConfig?: { defaults: { unit?: string } };
  targets?: Target[];
};

type Variable = { name: string; type: string; definition?: string };

export const dashboard: { uid: string; panels: Panel[]; templating: { list: Variable[] } } = JSON.parse(
  read("grafana/orderctl-dashboard.json"),
);

export const panels = dashboard.panels.filter((panel) => panel.type !== "row");

/** Every query of the dashboard, as Grafana would send it for all jobs. */
export const dashboardQueries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, refId }) => ({
    title: `${title} (${refId})`,
    query: expr.replaceAll("$__rate_interval", "1m").replaceAll("$job", ".*"),
  })),
);

/** What a rule says of itself in words is no query. */
const ruleQueries = rulesText.replace(/^\s*(#|summary:|description:).*$/gm, "");

export const recordedNames = [...rulesText.matchAll(/record: (\S+)/g)].map(([, name = ""]) => name);

export type Asked = { metrics: string[]; labels: string[] };

/** Which metrics and labels the rules and the dashboard ask for. */
export function readAsked(): Asked {
  const texts = [ruleQueries, ...dashboardQueries.map(({ query }) => query)];
  const metrics = texts.flatMap((text) => {
    const bare = text.replace(/\b(by|on|group_left) \([^)]*\)/g, "").replace(/\{[^}]*\}/g, "");
    return bare.match(/\b\w+:\w+:\w+\b|\b(orderctl|messaging|nodejs|v8js)_\w+\b/g) ?? [];
  });
  const grouped = texts.flatMap((text) =>
    [...text.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, names = ""]) => names.split(/,\s*/)),
  );
  const selected = texts.flatMap((text) =>
    [...text.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, name = ""]) => name),
  );
  return { metrics: [...new Set(metrics)], labels: [...new Set([...grouped, ...selected])] };
}
