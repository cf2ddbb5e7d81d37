import { Box, renderToString, Text } from "ink";
import { printableData } from "../core/foreign-text.ts";
import type { RunningServices } from "../flow/run-services.ts";
import type { StreamLag } from "../jetstream/streams/lag.ts";
import { lagTable } from "../lag/lag-table.ts";
import { servingLine } from "../serve/serving-line.ts";
import { Lines, type LiveScreen } from "../terminal/live-screen.tsx";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";

export type UpState = {
  serving: Pick<RunningServices, "serving" | "told"> | undefined;
  lag: StreamLag | undefined;
  /** Says since when `lag` is out of date, and why; undefined while it is fresh. */
  stale: string | undefined;
};

/** Draws the state of all services on the screen at each change; what it returns takes the changes. */
export function drawUp(
  screen: Pick<LiveScreen, "draw">,
  style: () => Style,
): (change: Partial<UpState>) => void {
  let state: UpState = { serving: undefined, lag: undefined, stale: undefined };
  return (change) => {
    state = { ...state, ...printableData(change) };
    const now = style();
    screen.draw(renderToString(<UpView state={state} style={now} />, { columns: now.width }));
  };
}

export function UpView({ state: { serving, lag, stale }, style }: { state: UpState; style: Style }) {
  return (
    <Box flexDirection="column">
      {serving && <Text wrap="wrap">{servingLine(serving.told)(serving.serving, style)}</Text>}
      {stale && (
        <Box marginTop={1}>
          <Text wrap="wrap">{paint(style).yellow(stale)}</Text>
        </Box>
      )}
      {lag && (
        <Box marginTop={1}>
          <Lines text={stale ? dimmed(lag, style) : lagTable(lag, style)} />
        </Box>
      )}
    </Box>
  );
}

/** Each line on its own, because a colour that goes on over a line break is lost where lines are cut. */
const dimmed = (lag: StreamLag, style: Style): string =>
  lagTable(lag, { ...style, colour: false })
    .split("\n")
    .map((line) => paint(style).dim(line))
    .join("\n");
