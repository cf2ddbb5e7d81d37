import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { startArchiver } from "../../src/archive/archiver.ts";
import { openDirectoryStore } from "../../src/archive/directory-store.ts";
import type { Segment } from "../../src/archive/manifest.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { purgeBefore } from "../../src/jetstream/streams/purge.ts";
import { readStream } from "../../src/jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { idleLog } from "../support/order-log.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

type RunOptions = NonNullable<Parameters<typeof runCommand>[1]>;

/** A broker with an empty log whose consumers are gone, so that everything may be archived. */
export class ArchiveWorld {
  readonly broker: TestBroker;
  readonly connection: Connection;
  readonly log: LogWriter;
  readonly folder: string;

  private constructor(broker: TestBroker, connection: Connection, log: LogWriter) {
    this.broker = broker;
    this.connection = connection;
    this.log = log;
    this.folder = mkdtempSync(join(tmpdir(), "orderctl-archive-"));
  }

  static async open(): Promise<ArchiveWorld> {
    const broker = await startTestBroker();
    const connection = await openTestConnection(broker.url);
    const world = new ArchiveWorld(broker, connection, await openLogWriter(connection));
    await world.removeConsumers();
    return world;
  }

  async close(): Promise<void> {
    this.log.close();
    await this.connection.close();
    await this.broker.stop();
    rmSync(this.folder, { recursive: true });
  }

  get url(): string {
    return pathToFileURL(this.folder).href;
  }

  async removeConsumers(): Promise<void> {
    const { jsm } = this.connection;
    for await (const { name } of jsm.consumers.list("ORDERS")) await jsm.consumers.delete("ORDERS", name);
  }

  /** Archives everything up to a sequence, in segments of so many events. */
  async archiveTo(to: number, segmentEvents: number): Promise<void> {
    const archive = new SegmentedLog(this.connection, orderFlow, {});
    const log = { ...idleLog(this.connection), archive };
    const archiver = startArchiver(log, archive, {
      store: openDirectoryStore(this.folder),
      keepMs: 0,
      segmentEvents,
      purgeEveryMs: 1e9,
      settleMs: 0,
      note: () => {},
    });
    await until(() => archive.manifest.movedTo >= to);
    await archiver.stop(5000);
  }

  /** Removes from the stream what is archived. */
  purgeTo = (to: number): Promise<number> => purgeBefore(this.connection, "ORDERS", to + 1);

  async segments(): Promise<readonly Segment[]> {
    const { manifest } = new SegmentedLog(this.connection, orderFlow, {});
    await manifest.refresh();
    return manifest.segments;
  }

  run = (words: string, options: RunOptions = {}): Promise<Ran> =>
    runCommand(`${words} --server ${this.broker.url}`, options);

  archive = (words: string, options: RunOptions = {}): Promise<Ran> => this.run(`archive ${words}`, options);

  async read(stream: string): Promise<StreamMessage[]> {
    const found: StreamMessage[] = [];
    for await (const batch of readStream(this.connection, { stream })) found.push(...batch);
    return found;
  }
}
