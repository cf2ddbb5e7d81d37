import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readStreamSize, type StreamSize } from "../../src/jetstream/streams/read-message.ts";
import { scanStream } from "../../src/jetstream/streams/read-stream.ts";
import { ordersStream } from "../../src/orders/subjects.ts";
import { decodeHop, hopHeader } from "../../src/telemetry/hop.ts";

/** What was seen `atS` seconds after the beginning; rates and times are those of the sample's own seconds. */
export type Sample = {
  atS: number;
  endedPerS: number;
  /** From created to ended of each order that ended in it, ms, ascending. */
  times: Float32Array;
  brokerMb: number;
  logMb: number;
  eventsInLog: number;
  eventsArchived: number;
};

export type Run = { samples: Sample[]; stop(): Promise<Sample[]> };

/** Looks every `everyS` seconds, by the broker's own times of each order's first and last event. */
export function watchLog(connection: Connection, { pid, everyS }: { pid: number; everyS: number }): Run {
  const startedAt = performance.now();
  const stop = new AbortController();
  const samples: Sample[] = [];
  let ended: number[] = [];
  const start = { timeUs: Date.now() * 1000 };
  const follow = { stream: ordersStream, filter: `${ordersStream}.notifications.*`, follow: true, start };
  const reading = scanStream(connection, { ...follow, signal: stop.signal }, ({ storedAtUs, header }) => {
    const { orderAtUs } = decodeHop(header(hopHeader)) ?? {};
    if (orderAtUs !== undefined) ended.push((storedAtUs - orderAtUs) / 1000);
  });
  const sampling = (async () => {
    let size: StreamSize | undefined;
    for (let before = startedAt; !stop.signal.aborted; ) {
      await wait(everyS * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
      const now = performance.now();
      const times = Float32Array.from(ended).sort();
      ended = [];
      // A broker that purges may be late with its answer; how long orders take shows that as well.
      size = await readStreamSize(connection, ordersStream).catch(() => size);
      samples.push({
        atS: Math.round((now - startedAt) / 1000),
        endedPerS: (times.length * 1000) / (now - before),
        times,
        brokerMb: await residentMb(pid),
        logMb: (size?.bytes ?? 0) / 1e6,
        eventsInLog: size?.messages ?? 0,
        eventsArchived: Math.max(0, (size?.firstSequence ?? 1) - 1),
      });
      before = now;
    }
  })();
  return {
    samples,
    async stop() {
      stop.abort();
      await Promise.all([reading, sampling]);
      return samples;
    },
  };
}

const quantile = (sorted: Float32Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Of all orders that ended in these samples, none weighing more than another: orders/s, and ms from created to ended. */
export function summarize(samples: readonly Sample[]): {
  perS: number;
  p50: number;
  p99: number;
  p999: number;
} {
  const times = new Float32Array(samples.reduce((sum, sample) => sum + sample.times.length, 0));
  let at = 0;
  for (const sample of samples) {
    times.set(sample.times, at);
    at += sample.times.length;
  }
  times.sort();
  const perS = samples.reduce((sum, { endedPerS }) => sum + endedPerS, 0) / Math.max(1, samples.length);
  return { perS, p50: quantile(times, 0.5), p99: quantile(times, 0.99), p999: quantile(times, 0.999) };
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1000;
}

type Curve = { name: string; unit: string; of(sample: Sample): number };

const curves: readonly Curve[] = [
  { name: "broker's memory", unit: "MB", of: ({ brokerMb }) => brokerMb },
  { name: "events in the broker", unit: "", of: ({ eventsInLog }) => eventsInLog },
  { name: "events purged, all archived", unit: "", of: ({ eventsArchived }) => eventsArchived },
  { name: "orders ended", unit: "/s", of: ({ endedPerS }) => endedPerS },
  { name: "created to ended, p99", unit: "ms", of: ({ times }) => quantile(times, 0.99) },
];

const [width, height, gap, left] = [760, 90, 40, 20];

/** The samples as a picture: one curve below the other over the same time, each from zero to its highest value. */
export function plotRun(samples: readonly Sample[], archivedToS: number): string {
  const lastS = samples.at(-1)?.atS ?? 1;
  const x = (atS: number) => left + (atS / lastS) * width;
  const drawn = curves.map((curve, index) => {
    const top = gap + index * (height + gap);
    const values = samples.map(curve.of);
    const most = Math.max(...values, 1);
    const points = samples.map(
      (sample) =>
        `${x(sample.atS).toFixed(1)},${(top + height - (curve.of(sample) / most) * height).toFixed(1)}`,
    );
    const label = `${curve.name}: at most ${Math.round(most).toLocaleString("en")} ${curve.unit}`.trim();
    return [
      `<text x="${left}" y="${top - 8}">${label}</text>`,
      `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#ccc"/>`,
      `<polyline points="${points.join(" ")}" fill="none" stroke="#06c" stroke-width="1.5"/>`,
    ].join("\n");
  });
  const bottom = gap + curves.length * (height + gap);
  const begin = x(archivedToS).toFixed(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width + 2 * left} ${bottom}" font-family="sans-serif" font-size="13">`,
    "<title>A run with the archiver, and then without it</title>",
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...drawn,
    `<line x1="${begin}" x2="${begin}" y1="${gap}" y2="${bottom - gap}" stroke="#c30" stroke-dasharray="4"/>`,
    `<text x="${begin}" y="${bottom - gap + 16}" fill="#c30">archiver stopped</text>`,
    `<text x="${left + width}" y="${bottom - gap + 16}" text-anchor="end">${Math.round(lastS / 60)} min</text>`,
    "</svg>",
    "",
  ].join("\n");
}
