import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readStream } from "../../src/jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import type { ReplaySummary } from "../../src/replay/replay-report.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

type RunOptions = NonNullable<Parameters<typeof runCommand>[1]>;

/** A broker, an empty log for each test, and commands that are run on it. */
export class ReplayWorld {
  broker: TestBroker = undefined as never;
  connection: Connection = undefined as never;
  log: LogWriter = undefined as never;
  dir = "";

  constructor() {
    beforeAll(async () => {
      this.broker = await startTestBroker();
      this.connection = await openTestConnection(this.broker.url);
    });
    afterAll(async () => {
      await this.connection.close();
      await this.broker.stop();
    });
    beforeEach(async () => {
      this.dir = mkdtempSync(join(tmpdir(), "orderctl-replay-"));
      this.log = await openLogWriter(this.connection);
    });
    afterEach(async () => {
      this.log.close();
      rmSync(this.dir, { recursive: true });
      for (const name of await this.streams()) await this.connection.jsm.streams.delete(name);
    });
  }

  run = (line: string, options: RunOptions = {}): Promise<Ran> =>
    runCommand(`${line.trim()} --server ${this.broker.url}`, options);

  replay = (words: string, options: RunOptions = {}): Promise<Ran> => this.run(`replay ${words}`, options);

  async summaryOf(words: string): Promise<ReplaySummary> {
    const ran = await this.replay(`${words} --json`);
    const [line] = ran.lines();
    if (line?.kind !== "replay-report" || line.version !== 1)
      throw new Error(`no report: ${ran.stdout}${ran.stderr}`);
    return line.data;
  }

  async streams(): Promise<string[]> {
    const names: string[] = [];
    for await (const { config } of this.connection.jsm.streams.list()) names.push(config.name);
    return names;
  }

  async read(stream: string): Promise<StreamMessage[]> {
    const { state } = await this.connection.jsm.streams.info(stream);
    const place = { stream, start: { sequence: 1 }, toSequence: state.last_seq };
    const found: StreamMessage[] = [];
    const { signal } = new AbortController();
    for await (const batch of readStream(this.connection, { ...place, signal })) found.push(...batch);
    return found;
  }

  subjects = async (stream: string): Promise<string[]> =>
    (await this.read(stream)).map(({ subject }) => subject);
}
