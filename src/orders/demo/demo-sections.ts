import { paint } from "../../terminal/paint.ts";
import type { Style, View } from "../../terminal/terminal.ts";

/** A view under a title of its own, followed by a blank line. */
export const demoSection =
  <T>(title: string, view: View<T>): View<T> =>
  (data, style) => {
    const rule = (style.unicode ? "─" : "-").repeat(
      Math.max(0, Math.min(style.width, 100) - title.length - 4),
    );
    const { bold, dim } = paint(style);
    return `${dim(style.unicode ? "──" : "--")} ${bold(title)} ${dim(rule)}\n${view(data, style)}\n`;
  };

export const brokerLine = ({
  version,
  url,
  source,
}: {
  version: string;
  url: string;
  source: string;
}): string =>
  `nats-server ${version} at ${url} (from ${sources[source] ?? source}), its data in a temporary folder`;

const sources: Record<string, string> = {
  env: "ORDERCTL_NATS_SERVER",
  path: "PATH",
  cache: "the cache",
  release: "the official release",
  debian: "the distribution's package",
};

/** The commands that the user can type next. */
export function demoFarewell(_: null, style: Style): string {
  const { bold, dim } = paint(style);
  const next = [
    ["orderctl up", "the same, until you stop it"],
    ["orderctl publish order --count 10000 --wait", "feed it, in another terminal"],
    ["orderctl lag", "is everybody keeping up?"],
    ["orderctl trace <orderId>", "where is my order?"],
    ["orderctl audit", "was anything lost or done twice?"],
  ] as const;
  const rows = next.map(([command, what]) => `  ${bold(command.padEnd(46))}${dim(what)}`);
  return ["The broker is gone and so is its data. What to type next:", ...rows].join("\n");
}
