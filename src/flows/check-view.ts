import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";
import type { FlowCheck } from "./check-flow.ts";
import { findingText } from "./finding-text.ts";

/** A line for each thing that was checked, then one for each finding: `✗` breaks, `!` is advice. */
export function checkText(check: FlowCheck, style: Style): string {
  const { flow, kinds, services, types, findings, comparedWith, notCompared } = check;
  const { green, red, yellow } = paint(style);
  const [good, bad] = style.unicode ? ["✓", "✗"] : ["ok", "x"];
  const breaking = findings.filter(({ level }) => level === "breaks").length;
  const compared =
    comparedWith === null
      ? `- not compared with what a broker keeps: ${notCompared}`
      : `${green(good)} compared with the definition that ${comparedWith} keeps`;
  return [
    `${green(good)} ${flow} loads: ${kinds} kinds of events, ${services} services`,
    ...(types?.isCurrent ? [`${green(good)} ${types.file} is up to date`] : []),
    compared,
    ...findings.map((finding) =>
      finding.level === "breaks"
        ? `${red(bad)} ${findingText(finding)}`
        : `${yellow("!")} ${findingText(finding)}`,
    ),
    ...(breaking > 0
      ? ["", `${breaking} ${breaking === 1 ? "finding breaks" : "findings break"} something`]
      : []),
  ].join("\n");
}
