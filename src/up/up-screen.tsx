import { Box, render, Static, Text } from "ink";
import { useSyncExternalStore } from "react";
import { printableData } from "../core/foreign-text.ts";
import type { RunningServices } from "../flow/run-services.ts";
import type { StreamLag } from "../jetstream/streams/lag.ts";
import { lagTable } from "../lag/lag-table.ts";
import { servingLine } from "../serve/serving-line.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";

export type UpState = {
  serving: Pick<RunningServices, "serving" | "told"> | undefined;
  lag: StreamLag | undefined;
  /** Says since when `lag` is out of date, and why; undefined while it is fresh. */
  stale: string | undefined;
  /** Append-only: `Static` prints each note once. */
  notes: readonly string[];
};

export type UpScreen = {
  update(change: Partial<UpState>): void;
  note(text: string): void;
  /** Ends the redrawing and leaves the last state on the terminal. */
  close(): void;
};

/** Draws the state of all services and redraws it in place at each change; notes scroll by above it. */
export function openUpScreen(stdout: NodeJS.WritableStream, style: () => Style): UpScreen {
  let state: UpState = { serving: undefined, lag: undefined, stale: undefined, notes: [] };
  const listeners = new Set<() => void>();
  const set = (change: Partial<UpState>) => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const Live = () => <UpView state={useSyncExternalStore(subscribe, () => state)} style={style()} />;
  // `main.ts` handles signals, so Ctrl-C must not end the rendering.
  const options = { stdout: stdout as NodeJS.WriteStream, exitOnCtrlC: false, patchConsole: false };
  const instance = render(<Live />, options);
  return {
    update: (change) => set(printableData(change)),
    // Notes are log lines with their own colours; the log has already escaped foreign text in them.
    note: (text) => set({ notes: [...state.notes, text] }),
    close: () => instance.unmount(),
  };
}

export function UpView({ state, style }: { state: UpState; style: Style }) {
  const { serving, lag, stale, notes } = state;
  return (
    <Box flexDirection="column">
      <Static items={notes.map((text, index) => ({ text, index }))}>
        {({ text, index }) => <Text key={index}>{text}</Text>}
      </Static>
      {serving && <Text wrap="wrap">{servingLine(serving.told)(serving.serving, style)}</Text>}
      {stale && (
        <Box marginTop={1}>
          <Text wrap="wrap">{paint(style).yellow(stale)}</Text>
        </Box>
      )}
      {lag && (
        <Box marginTop={1}>
          <Text wrap="truncate">{stale ? dimmed(lag, style) : lagTable(lag, style)}</Text>
        </Box>
      )}
    </Box>
  );
}

const dimmed = (lag: StreamLag, style: Style): string =>
  paint(style).dim(lagTable(lag, { ...style, colour: false }));
