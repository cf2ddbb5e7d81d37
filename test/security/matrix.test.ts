import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { announceCollector, findCollector } from "../../src/cli/collector-address.ts";
import { isOlder } from "../../src/core/compare-versions.ts";
import { announceProcess, type ProcessStatus, readProcesses } from "../../src/flow/process-status.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { announceServices, type FoundService } from "../../src/jetstream/client/services-api.ts";
import { askServices } from "../support/ask-services.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { until } from "../support/until.ts";
import { acts, consumersBeside, readerOf, rightsTable, type Share, streams, subjectsOf } from "./rights.ts";
import { config, openSecuredWorld, type Role, roles, type SecuredWorld } from "./roles.ts";
import { servers } from "./secured-broker.ts";

const document = join(import.meta.dirname, "../../docs/security.md");
const table = /(?<=<!-- rights: [^\n]*-->\n\n)[\s\S]*?(?=\n\n<!-- \/rights -->)/;

describe.each(servers)("the users of deploy/nats/orderctl.conf on nats-server $version", (server) => {
  let world: SecuredWorld;
  let as: Record<Role, Connection>;

  beforeAll(async () => {
    world = await openSecuredWorld(server);
    expect(await world.as("admin", "topology apply")).toMatchObject({ exitCode: 0 });
    await createObjectStore();
    const opened = roles.map(async (role) => [role, await open(role)] as const);
    as = Object.fromEntries(await Promise.all(opened)) as typeof as;
  });

  afterAll(async () => {
    await Promise.all(Object.values(as ?? {}).map((connection) => connection.close()));
    await world?.stop();
  });

  /** As `nats object add ORDERS` does. */
  async function createObjectStore() {
    const admin = await open("admin");
    const settings = { discard: "new", allow_rollup_hdrs: true, allow_direct: true };
    const store = { name: "OBJ_ORDERS", subjects: ["$O.ORDERS.>"], ...settings };
    await admin.jsm.streams.add(store as never);
    await admin.close();
  }

  const open = (role: Role, inboxPrefix = `_INBOX_${role}`) =>
    openTestConnection(world.broker.url, { user: role, password: world.passwords[role], inboxPrefix });

  it("have the rights that docs/security.md tells, and no others", async () => {
    const { rights, unreached } = await measure(as);
    const now = rightsTable(rights);
    const text = await readFile(document, "utf8");
    if (process.env.ORDERCTL_WRITE_DOCS)
      await writeFile(
        document,
        text.replace(table, () => now),
      );
    else expect(table.exec(text)?.[0], "ORDERCTL_WRITE_DOCS=1 writes it").toBe(now);
    expect(unreached).toEqual([]);
  });

  it.each(
    roles.filter((role) => role !== "admin"),
  )("lets %s write nothing by the reply subject of a request", async (role) => {
    const before = await readState(as.admin, role);
    const connection = as[role];
    const { denied } = await probe(connection, role);
    for (const { filter } of readers.filter((reader) => reader.role === role)) {
      const [, name = ""] = readerOf("").split(".");
      expect(await createReader(connection, { filter, name })).not.toContain("error");
    }
    const requests = subjectsOf("publish", role).filter((subject) => !denied.has(subject));
    const replies = hostileReplies.filter((reply) => !requests.includes(reply.replace("hostile", "x")));
    for (const subject of requests) askWith(connection, subject, replies);
    await settle(connection, as.admin);
    expect(await readState(as.admin, role)).toEqual(before);
  });

  it("have services and collector answer nobody but the operator, and whoever has an inbox", async () => {
    const before = await readState(as.admin, "payment");
    const announced = roles.slice(0, 6).map((role) => announceProcess(as[role], () => status(role)));
    const collector = announceCollector(as.collector, "http://127.0.0.1:4318");
    await Promise.all(roles.map((role) => as[role].nats.flush()));
    for (const reply of hostileReplies) {
      as.operator.nats.publish("orderctl.status", undefined, { reply });
      as.publisher.nats.publish("orderctl.collector", undefined, { reply });
    }
    expect(await readProcesses(as.operator)).toHaveLength(6);
    expect(await findCollector(as.publisher)).toBe("http://127.0.0.1:4318");
    for (const each of [...announced, collector]) each.stop();
    await settle(as.operator, as.admin);
    expect(await readState(as.admin, "payment")).toEqual(before);
  });

  it("let the operator alone find the services, at the inbox for it, and have them write nowhere else", async () => {
    const before = await readState(as.admin, "payment");
    const serving = roles.slice(0, 6);
    const announced = serving.map((role) => announceServices(as[role], [service(role)]));
    await Promise.all(serving.map((role) => as[role].nats.flush()));
    const asking = await open("operator", "_INBOX_services");
    onTestFinished(() => asking.close());
    const heard: string[] = [];
    const inboxes = roles.map((role) => `_INBOX_${role}.hostile`);
    const callback = (_: unknown, { subject }: { subject: string }) => void heard.push(subject);
    const listening = roles.map((role, index) => as[role].nats.subscribe(inboxes[index] ?? "", { callback }));
    for (const reply of [...hostileReplies, ...inboxes])
      asking.nats.publish("$SRV.PING", undefined, { reply });
    expect((await askServices.ping(asking)).map(({ name }) => name)).toEqual(serving.toSorted());
    expect(await askServices.info(asking, "shipping")).toMatchObject([{ name: "shipping" }]);
    expect(await refusedOf(as.payment, () => as.payment.nats.publish("$SRV.PING"))).toContain("$SRV.PING");
    for (const each of announced) each.stop();
    await settle(as.operator, as.admin);
    for (const each of listening) each.unsubscribe();
    expect(heard).toEqual([]);
    expect(await readState(as.admin, "payment")).toEqual(before);
  });

  it.each(
    readers,
  )("cannot have a consumer of their own deliver into a stream or to JetStream: $role", async ({
    role,
    filter,
  }) => {
    const before = await readState(as.admin, role);
    for (const [index, deliver] of hostileReplies.entries())
      await createReader(as[role], { filter, name: `reader-${index}`, deliver_subject: deliver });
    await settle(as[role], as.admin);
    const { kept, consumers } = await readState(as.admin, role);
    expect(kept).toEqual(before.kept);
    // The oldest lets such a consumer pull: services' messages then come again after their ack wait (docs/security.md).
    if (!isOlder(server.version, "2.10.0")) expect(consumers).toEqual(before.consumers);
    for (const index of hostileReplies.keys())
      await as[role].nats.request(`$JS.API.CONSUMER.DELETE.${streamOf(filter)}.reader-${index}`);
  });
});

describe("deploy/nats/orderctl.conf", async () => {
  const text = await readFile(config, "utf8");
  const blockOf = (role: Role) =>
    new RegExp(`\\n  ${role.toUpperCase()} \\{[\\s\\S]*?\\n  \\}`).exec(text)?.[0] ?? "";
  const quoted = (block: string | undefined) =>
    [...(block ?? "").matchAll(/"([^"]+)"/g)].map(([, word = ""]) => word);
  const allowed = (block: string, verb: string) =>
    quoted(new RegExp(`${verb}: (?:\\{\\s*allow: )?\\[([^\\]]*)`).exec(block)?.[1]);

  it.each(roles)("gives %s nothing that the table leaves out", (role) => {
    const block = role === "admin" ? text.slice(text.indexOf("user: admin")) : blockOf(role);
    for (const kind of ["publish", "subscribe"] as const) {
      const patterns = allowed(block, kind);
      expect(patterns.length).toBeGreaterThan(0);
      const subjects = subjectsOf(kind, role);
      expect(patterns.filter((pattern) => !subjects.some((subject) => matches(pattern, subject)))).toEqual(
        [],
      );
    }
  });

  it.each(
    roles.filter((role) => role !== "admin"),
  )("imports for %s what it may publish, to the word", (role) => {
    const block = blockOf(role);
    const imported = [...block.matchAll(/service: \{ account: \w+, subject: "([^"]+)"/g)].map(
      ([, subject]) => subject,
    );
    // The account's own time; what is another account's to import; and why $JS.API.INFO is there: see the file.
    const asked = ["orderctl.status", "orderctl.answers.*", "$SRV.>", "_INBOX_services.>", "_R_.>"];
    const own = ["$SYS.REQ.ACCOUNT.PING.STATZ", ...asked];
    const published = allowed(block, "publish").filter((subject) => !own.includes(subject));
    expect(imported.sort()).toEqual([...new Set([...published, "$JS.API.INFO"])].sort());
  });
});

function matches(pattern: string, subject: string): boolean {
  const escaped = pattern.replaceAll(/[$.]/g, "\\$&").replaceAll("*", "[^.]+").replace(/>$/, ".+");
  return new RegExp(`^${escaped}$`).test(subject);
}

const isStored = (subject: string): boolean =>
  /^(?:ORDERS|DEAD_LETTERS|REDRIVES|TRACES|\$KV|\$O)\./.test(subject);

/** What nobody should get written. */
const hostileReplies = [
  ...subjectsOf("publish", "admin")
    .filter(isStored)
    .map((subject) => subject.replace(/\.x$/, ".hostile")),
  ...["PURGE", "DELETE", "UPDATE", "MSG.DELETE"].map((verb) => `$JS.API.STREAM.${verb}.ORDERS`),
  ...consumersBeside("admin").flatMap((name) => [
    `$JS.API.CONSUMER.DELETE.${name}`,
    `$JS.API.CONSUMER.MSG.NEXT.${name}`,
    `$JS.ACK.${name}.1.1.1.1.0`,
  ]),
];

/** Where there is a body that it cannot read, a broker may purge all. */
const purgeNothing = '{"filter":"nothing.has.this"}';

const unheard = /^(?:orderctl|_R_|\$SRV|_INBOX_services)\.|\.reader$/;

type Probed = { denied: ReadonlySet<string>; deaf: ReadonlySet<string>; silent: string[] };

/**
 * What a user may not publish, what it may not listen to, and what it may publish for nobody to hear. The body suits no
 * request of JetStream, which therefore does none of them.
 */
async function probe(connection: Connection, role: Role): Promise<Probed> {
  const { nats } = connection;
  const publishable = subjectsOf("publish", role);
  const deaf = await refusedOf(connection, () => {
    for (const subject of subjectsOf("subscribe", role))
      nats.subscribe(subject, { callback: () => {}, max: 1 }).unsubscribe();
  });
  const silent: string[] = [];
  const inbox = connection.newInbox();
  const answers = nats.subscribe(`${inbox}.*`, {
    callback: (_, { subject, headers }) => {
      if (headers?.code === 503) silent.push(publishable[Number(subject.split(".").at(-1))] ?? subject);
    },
  });
  const denied = await refusedOf(connection, () => {
    for (const [index, subject] of publishable.entries())
      nats.publish(subject, subject.includes(".PURGE.") ? purgeNothing : "!", { reply: `${inbox}.${index}` });
  });
  answers.unsubscribe();
  // Where no program of ours runs, and no consumer of one's own is, nobody listens to these.
  return { denied, deaf, silent: silent.filter((subject) => !unheard.test(subject)) };
}

/** Also what a user may publish and its account does not import, which would be lost without a word. */
async function measure(as: Record<Role, Connection>) {
  const rights = new Map(acts.map((act) => [act, new Map<Role, Share>()]));
  const unreached: string[] = [];
  for (const role of roles) {
    const { denied, deaf, silent } = await probe(as[role], role);
    unreached.push(...silent.map((subject) => `${role}: ${subject}`));
    for (const act of acts)
      rights.get(act)?.set(role, share(act.subjects(role), act.kind === "publish" ? denied : deaf));
  }
  return { rights, unreached };
}

let probes = 0;

/** What the broker refuses of it; it refuses in order, so that a last refusal tells that there are no more. */
async function refusedOf({ nats, onDenied }: Connection, act: () => void): Promise<Set<string>> {
  const refused = new Set<string>();
  const stop = onDenied((subject) => refused.add(subject));
  act();
  probes += 1;
  const last = `nobody.may.${probes}`;
  nats.publish(last);
  await until(() => refused.has(last));
  stop();
  return refused;
}

function share(subjects: string[], refused: ReadonlySet<string>): Share {
  const allowed = subjects.filter((subject) => !refused.has(subject)).length;
  if (allowed === 0) return "none";
  return allowed === subjects.length ? "all" : "part";
}

/**
 * What is stored has a subject of its own each time: a second message under the same one would be refused, not stored.
 */
function askWith({ nats }: Connection, subject: string, replies: string[]): void {
  for (const [index, reply] of replies.entries())
    nats.publish(isStored(subject) ? `${subject}-own-${index}` : subject, bodyFor(subject), { reply });
}

/** Who may make consumers of their own, and for what. */
const readers: readonly { role: Role; filter: string }[] = [
  { role: "operator", filter: "DEAD_LETTERS.>" },
  { role: "archive", filter: "ORDERS.>" },
  ...roles.slice(0, 7).map((role) => ({ role, filter: "$O.ORDERS.>" })),
];

const streamOf = (filter: string): string => filter.replace("$O.", "OBJ_").replace(/\..*$/, "");

/** A reader of headers alone: what it is given has no body, as the requests to delete and to purge have none. */
async function createReader(
  { nats }: Connection,
  { filter, name, ...more }: { filter: string; name: string; deliver_subject?: string },
): Promise<string> {
  const stream = streamOf(filter);
  const config = { name, filter_subject: filter, ack_policy: "none", headers_only: true, ...more };
  const body = JSON.stringify({ stream_name: stream, config });
  return (await nats.request(`$JS.API.CONSUMER.CREATE.${stream}.${name}.${filter}`, body)).string();
}

function bodyFor(subject: string): string {
  if (subject.includes(".MSG.NEXT.")) return '{"batch":1,"no_wait":true}';
  if (subject.includes(".MSG.GET.")) return '{"seq":1}';
  if (subject.includes(".PURGE.")) return purgeNothing;
  return "";
}

/** Until all that was sent has been worked on: the broker has answered a request behind it on each way. */
async function settle(connection: Connection, admin: Connection): Promise<void> {
  await connection.nats.flush();
  for (let round = 0; round < 3; round += 1) {
    for (const stream of streams) await admin.jsm.streams.info(stream);
    await admin.nats.flush();
  }
}

/**
 * What only a hostile reply could have changed: what is stored beside a user's own, and how far others' consumers are.
 */
async function readState({ jsm }: Connection, role: Role) {
  const kept = await Promise.all(
    streams.map(async (stream) => {
      const { state, config } = await jsm.streams.info(stream, { subjects_filter: ">" });
      const isOwn = (subject: string) => /-own-\d+$/.test(subject);
      const stored = Object.keys(state.subjects ?? {}).filter((subject) => !isOwn(subject));
      return { stream, stored: stored.sort(), subjects: config.subjects };
    }),
  );
  const consumers = await Promise.all(
    consumersBeside(role).map(async (name) => {
      const [stream = "", consumer = ""] = name.split(".");
      const { delivered, ack_floor, num_waiting } = await jsm.consumers.info(stream, consumer);
      return { name, delivered: delivered.consumer_seq, acknowledged: ack_floor.consumer_seq, num_waiting };
    }),
  );
  return { kept, consumers };
}

const service = (name: string): FoundService => ({
  name,
  version: "1.0.0",
  description: "",
  metadata: {},
  endpoints: () => [],
});

const status = (instance: string): ProcessStatus => ({
  instance,
  version: "0",
  services: [],
  startedAt: new Date().toISOString(),
  uptimeMs: 1,
  stopping: false,
  breakers: [],
  workers: [],
  problems: [],
  ordersUrl: null,
  metricsUrl: null,
  spansTo: null,
  archive: null,
});
