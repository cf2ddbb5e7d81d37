import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import {
  createStreamLike,
  isPrefix,
  listeningOn,
  listStreams,
  overlap,
  type ReplayStream,
} from "../jetstream/streams/replay-streams.ts";

export type Destination = {
  prefix: string;
  /** The streams that store messages under `prefix`; empty in a dry run with `create`. */
  streams: string[];
};

type Wish = {
  /** A prefix of subjects, or the name of a stream with a single such prefix. */
  to: string;
  /** Create a stream when none stores the prefix. */
  create: boolean;
  dryRun: boolean;
};

/**
 * Resolves `to` to a prefix and its streams. Throws `usage` for an invalid prefix, or one under which the source stream
 * would store its own copies, and `no_responders` when no stream stores the prefix.
 */
export async function openDestination(
  connection: Connection,
  source: ReplayStream,
  { to, create, dryRun }: Wish,
): Promise<Destination> {
  const streams = await listStreams(connection);
  const prefix = prefixOf(streams, to);
  if (!isPrefix(prefix)) {
    throw new OrderctlError("usage", `${JSON.stringify(prefix)} cannot begin a subject of messages`, {
      hint: "a name such as REPLAY or test.replay; not one of the broker's own",
    });
  }
  const filters = [`${prefix}.>`, prefix];
  const inItself = source.subjects.find((subject) => filters.some((filter) => overlap(subject, filter)));
  if (inItself !== undefined) {
    throw new OrderctlError("usage", `${source.name} would be replayed into itself: it holds ${inItself}`, {
      hint: `choose a prefix that ${source.name} does not store`,
    });
  }
  const listening = filters.flatMap((filter) => listeningOn(streams, filter)).map(({ name }) => name);
  if (listening.length > 0) return { prefix, streams: [...new Set(listening)] };
  if (!create) throw nobodyListens(prefix);
  if (dryRun) return { prefix, streams: [] };
  const name = prefix.replaceAll(".", "_");
  const isShort = source.subjects.some((subject) => !subject.includes("."));
  const subjects = isShort ? [`${prefix}.>`, prefix] : [`${prefix}.>`];
  await createStreamLike(connection, source.name, { name, subjects });
  return { prefix, streams: [name] };
}

/** When no stream stores the prefix `to` but a stream has that name, the stream's own prefix is used. */
function prefixOf(streams: readonly ReplayStream[], to: string): string {
  if (listeningOn(streams, `${to}.>`).length > 0) return to;
  const [subject, ...others] = streams.find(({ name }) => name === to)?.subjects ?? [];
  const own = subject?.endsWith(".>") && others.length === 0 ? subject.slice(0, -2) : undefined;
  return own ?? to;
}

const nobodyListens = (prefix: string): OrderctlError =>
  new OrderctlError("no_responders", `no stream stores what is published under ${prefix}`, {
    hint: `--create makes one for ${prefix}.>, as does \`nats stream add --subjects '${prefix}.>'\``,
  });
