import { beforeEach, describe, expect, it } from "vitest";
import type { SegmentStore } from "../../src/archive/segment-store.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { created } from "../support/handler-context.ts";
import { ArchiveWorld } from "./archive-world.ts";

const ids = Array.from({ length: 60 }, (_, n) => `o-${n}`);

let world: ArchiveWorld;
let archive: SegmentedLog;
let opened: string[];

/** Six segments of ten orders; `opened` has the names of the files that are read. */
beforeEach(async () => {
  world = await ArchiveWorld.open();
  await world.log.store(...ids.map((orderId) => ({ ...created, orderId })));
  await world.archiveTo(60, 10);
  opened = [];
  archive = new SegmentedLog(world.connection, orderFlow, {});
  const open = archive.storeAt.bind(archive);
  archive.storeAt = async (url) => telling(await open(url));
  return () => world.close();
});

const telling = (store: SegmentStore): SegmentStore => ({
  ...store,
  open: (name) => {
    opened.push(name.slice(name.lastIndexOf(".")));
    return store.open(name);
  },
});

async function read(keys: readonly string[], to: number) {
  const found: { key: string; sequences: number[] | undefined }[] = [];
  for await (const { key, messages } of archive.readKeys(keys, to))
    found.push({ key, sequences: messages?.map(({ sequence }) => sequence) });
  return found;
}

describe("many keys of an archive", () => {
  it("are read up to the end of a segment, and no others", async () => {
    expect(await read(["o-25", "none", "o-0", "o-30", "o-9"], 30)).toEqual(
      [0, 9, 25].map((n) => ({ key: `o-${n}`, sequences: [n + 1] })),
    );
    expect(await archive.hasKeys(["o-25", "none", "o-30"], 30)).toEqual(new Set(["o-25"]));
  });

  it("cost one reading of each segment, however many they are and however often they are asked for", async () => {
    expect(await read(ids, 60)).toHaveLength(60);
    expect(opened.filter((end) => end === ".parquet")).toHaveLength(6);
    opened.length = 0;
    expect(await read(ids, 60)).toHaveLength(60);
    expect(await archive.hasKeys(ids, 60)).toEqual(new Set(ids));
    expect(opened).toEqual([]);
  });

  it("are told without messages where those were pruned", async () => {
    await archive.movedTo();
    for (const segment of archive.manifest.segments.slice(0, 1)) await archive.manifest.markPruned(segment);
    await archive.manifest.refresh();
    expect(await read(["o-3", "o-13"], 60)).toEqual([
      { key: "o-3", sequences: undefined },
      { key: "o-13", sequences: [14] },
    ]);
  });
});
