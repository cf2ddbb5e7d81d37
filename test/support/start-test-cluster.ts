import { isBrokerAnswering } from "../../src/broker/probe.ts";
import { freePorts } from "./free-ports.ts";
import { freeze, thaw } from "./freeze.ts";
import { natsRequest } from "./nats-request.ts";
import { startTestBroker, type TestBroker } from "./start-test-broker.ts";
import { until } from "./until.ts";

/** One server of the cluster. `restart` also works while it runs or is paused: it is then asked to end first. */
export type TestNode = Omit<TestBroker, "stop"> & {
  /** As the others call it. */
  name: string;
  /** SIGSTOP: its connections stay open, and nothing is read or answered. */
  pause(): Promise<void>;
  resume(): void;
};

/** Three nats-servers on loopback that are one JetStream cluster. */
export type TestCluster = {
  nodes: readonly TestNode[];
  /** The addresses of all, as `--server` takes them. */
  urls: string;
  /** Waits until the stream, or its consumer, has a leader that is no lost one. */
  leaderOf(stream: string, consumer?: string): Promise<TestNode>;
  /**
   * Resolves once every stream and consumer has a leader, and its copies on all nodes that are there are up to date.
   */
  whenCurrent(): Promise<void>;
  stop(): Promise<void>;
};

type Raft = { leader?: string; replicas?: { name: string; current: boolean; offline?: boolean }[] };
type Info = { name?: string; config: { name?: string; durable_name?: string }; cluster?: Raft };
/** `missing` are those whose leader did not answer. */
type Answer = Info & { error?: unknown; missing?: string[]; streams?: Info[]; consumers?: Info[] };

/** An election takes 4 to 9 s, and a copy may need another one to catch up. */
const deadlineMs = 60_000;
const callAgainMs = 1500;

export async function startTestCluster(): Promise<TestCluster> {
  const ports = await freePorts(3);
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(", ");
  const brokers = await Promise.all(
    ports.map((port) =>
      startTestBroker({
        extraConfig: `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      }),
    ),
  );
  const lost = new Set<string>();
  const nodes = await Promise.all(brokers.map((broker) => nodeOf(broker, lost)));
  const isHere = (name: string | undefined) => name !== undefined && !lost.has(name);
  const ask: Ask = (subject, body = "") => {
    const here = nodes.filter(({ name }) => isHere(name));
    return askAny(here, subject, body);
  };
  await whenWhole({ ask, isHere }).catch(async (thrown) => {
    await Promise.all(brokers.map((broker) => broker.stop()));
    throw thrown;
  });
  return {
    nodes,
    urls: nodes.map(({ url }) => url).join(","),
    async leaderOf(stream, consumer) {
      const subject = consumer ? `CONSUMER.INFO.${stream}.${consumer}` : `STREAM.INFO.${stream}`;
      let leader: string | undefined;
      await until(async () => {
        leader = (await ask(subject))?.cluster?.leader;
        return isHere(leader);
      }, deadlineMs);
      return nodes.find(({ name }) => name === leader) as TestNode;
    },
    whenCurrent: () => until(() => areCurrent({ ask, isHere }), deadlineMs),
    async stop() {
      for (const node of nodes) node.resume();
      await Promise.all(brokers.map((broker) => broker.stop()));
    },
  };
}

/**
 * Resolves once the servers know of each other for good: where two call each other at the same time, one call ends and
 * both are offline to the third for a moment; a second later that one is tried again.
 */
async function whenWhole({ ask, isHere }: View): Promise<void> {
  const probe = JSON.stringify({ name: "PROBE", subjects: ["PROBE"], num_replicas: 3 });
  await until(async () => (await ask("STREAM.CREATE.PROBE", probe)) !== undefined, deadlineMs);
  let since = performance.now();
  await until(async () => {
    if (!(await areCurrent({ ask, isHere }))) since = performance.now();
    return performance.now() - since > callAgainMs;
  }, deadlineMs);
  await until(async () => {
    await ask("STREAM.DELETE.PROBE");
    return (await ask("STREAM.LIST"))?.streams?.length === 0;
  }, deadlineMs);
}

/** The server as it is; `lost` has the names of those that are not there. */
async function nodeOf(broker: TestBroker, lost: Set<string>): Promise<TestNode> {
  const name = (await isBrokerAnswering(broker.url))?.name ?? "";
  let paused = false;
  const away = async (end: () => Promise<void>) => {
    lost.add(name);
    await end();
  };
  return Object.assign(Object.create(broker) as TestBroker, {
    name,
    async pause() {
      lost.add(name);
      paused = true;
      await freeze(broker.pid);
    },
    resume() {
      if (!paused) return;
      paused = false;
      thaw(broker.pid);
      lost.delete(name);
    },
    kill: () => away(() => broker.kill()),
    async restart() {
      await away(() => broker.restart());
      lost.delete(name);
    },
  });
}

/** What the first of the servers that answers says; undefined where none does. */
async function askAny(
  nodes: readonly TestNode[],
  subject: string,
  body: string,
): Promise<Answer | undefined> {
  for (const { url } of nodes) {
    try {
      const answer = (await natsRequest(url, `$JS.API.${subject}`, body)) as Answer;
      if (!answer.error) return answer;
    } catch {
      // Another one may know.
    }
  }
  return undefined;
}

type Ask = (subject: string, body?: string) => Promise<Answer | undefined>;
type View = { ask: Ask; isHere: (name: string | undefined) => boolean };

/** A reader's consumer is on one server, and goes with it for good: its reader makes another one. */
const isReader = (name: string): boolean => name.startsWith("reader-");

async function areCurrent({ ask, isHere }: View): Promise<boolean> {
  const isCurrent = ({ cluster: { leader, replicas = [] } = {} }: Info) =>
    isHere(leader) && replicas.every(({ name, current, offline }) => !isHere(name) || (current && !offline));
  const { streams, missing = [] } = (await ask("STREAM.LIST")) ?? {};
  if (!streams || missing.length > 0) return false;
  for (const stream of streams) {
    const { consumers, missing = [] } = (await ask(`CONSUMER.LIST.${stream.config.name}`)) ?? {};
    if (!consumers || !missing.every(isReader)) return false;
    const copied = consumers.filter(({ name = "" }) => !isReader(name));
    if (![stream, ...copied].every(isCurrent)) return false;
  }
  return true;
}
