import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import { parseObject } from "../core/parse-object.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import type { Finding } from "../flow/define/finding.ts";
import { flowChanges } from "../flow/define/flow-changes.ts";
import {
  compileStored,
  definitionOf,
  digestOf,
  type StoredDefinition,
} from "../flow/define/stored-definition.ts";
import { flowsBucket } from "../flow/flow-topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { Bucket } from "../jetstream/streams/bucket.ts";
import { findingText } from "./finding-text.ts";

/** The entry of a flow: its definition, and the digests of those that were there before, the last one first. */
type Entry = { definition: StoredDefinition; earlier: readonly string[] };

/** What a broker keeps of a flow. */
export type KeptDefinition = Entry & { flow: CompiledFlow };

/** So many earlier definitions are known: a process of one of them is an older one, and no change. */
const mostEarlier = 20;
/** A service is not kept from its start for longer. */
const giveUpMs = 5000;
const mostTries = 5;

/**
 * What the broker keeps of the flow; undefined where it keeps nothing. Rejects with `unavailable` where that cannot be
 * read.
 */
export const readDefinition = (connection: Connection, name: string): Promise<KeptDefinition | undefined> =>
  withBucket(connection, async (bucket) => {
    const { entry } = await readEntry(bucket, name);
    return entry && { ...entry, flow: await compileStored(entry.definition) };
  });

/** The names of the flows of which the broker keeps the definition, sorted. */
export const readFlowNames = (connection: Connection): Promise<string[]> =>
  withBucket(connection, async (bucket) => {
    try {
      const keys = (await bucket.keys()).filter(({ isForeign }) => !isForeign);
      const entries = await Promise.all(keys.map(({ key }) => bucket.read(key)));
      return entries.flatMap((entry) => (entry?.value ? [entry.key] : [])).sort();
    } catch (thrown) {
      if (OrderctlError.from(thrown).code === "not_found") return [];
      throw thrown;
    }
  });

async function withBucket<T>(connection: Connection, work: (bucket: Bucket) => Promise<T>): Promise<T> {
  const publisher = new Publisher(connection, { giveUpMs });
  try {
    return await work(new Bucket(connection, publisher, flowsBucket));
  } finally {
    publisher.close();
  }
}

async function readEntry(
  bucket: Bucket,
  name: string,
): Promise<{ entry: Entry | undefined; revision: number }> {
  const found = await bucket.read(name).catch((thrown) => {
    if (OrderctlError.from(thrown).code === "not_found") return undefined;
    throw thrown;
  });
  // A removed entry is empty.
  if (!found || found.value === "") return { entry: undefined, revision: found?.revision ?? 0 };
  const entry = parseObject<Entry>(found.value);
  if (entry?.definition?.name === name && Array.isArray(entry.earlier))
    return { entry, revision: found.revision };
  throw new OrderctlError("unavailable", `the definition of ${name} on the broker cannot be read`, {
    hint: `\`nats kv del ${flowsBucket} ${name}\` removes it; the next \`serve\` stores it anew`,
    source: "store",
  });
}

type Keeping = { acceptBreaking: boolean; note: Note };

/**
 * Keeps the definition on the broker, unless that is there already. Throws `usage` for one with which events that are
 * stored would not be read as what they are; nothing else keeps services from starting: it is noted.
 */
export async function keepDefinition(
  connection: Connection,
  compiled: CompiledFlow,
  { acceptBreaking, note }: Keeping,
): Promise<void> {
  const { name } = compiled.defined.definition;
  try {
    const definition = await definitionOf(compiled);
    const keeping = { compiled, definition, acceptBreaking, note };
    await withBucket(connection, async (bucket) => {
      for (let tries = 1; !(await tryKeeping(bucket, keeping)); tries += 1)
        if (tries === mostTries) throw new OrderctlError("conflict", "others store theirs all the time");
    });
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (error.code === "usage") throw error;
    note(`the broker does not keep the definition of ${name}: ${error.message}`);
  }
}

/** False where another process was first. */
async function tryKeeping(
  bucket: Bucket,
  {
    compiled,
    definition,
    acceptBreaking,
    note,
  }: Keeping & {
    compiled: CompiledFlow;
    definition: StoredDefinition;
  },
): Promise<boolean> {
  const { name } = definition;
  const { entry, revision } = await readEntry(bucket, name);
  const digest = digestOf(definition);
  const before = entry && digestOf(entry.definition);
  if (before === digest) return true;
  if (entry?.earlier.includes(digest) && !acceptBreaking) {
    note(
      `this is an earlier definition of ${name} than the broker keeps: --accept-breaking makes it the one`,
    );
    return true;
  }
  const changes = entry ? flowChanges(await compileStored(entry.definition), compiled) : [];
  if (changes.length > 0 && !acceptBreaking) throw breakingChange(name, changes);
  if (changes.length > 0)
    note(
      `the events of ${name} that are stored do not go with its definition: ${changes.map(findingText).join("; ")}`,
    );
  const earlier = [...(before === undefined ? [] : [before]), ...(entry?.earlier ?? [])];
  const others = earlier.filter((each) => each !== digest).slice(0, mostEarlier);
  const value = JSON.stringify({ definition, earlier: others } satisfies Entry);
  return (await bucket.write({ key: name, value, revision })) !== undefined;
}

function breakingChange(name: string, changes: readonly Finding[]): OrderctlError {
  const [first, ...others] = changes.map(findingText);
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return new OrderctlError(
    "usage",
    `the events of ${name} that are stored do not go with its definition: ${first}${more}`,
    { hint: "`orderctl flow check` tells all; --accept-breaking serves it nevertheless" },
  );
}
