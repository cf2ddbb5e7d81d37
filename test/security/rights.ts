import { eventKinds } from "../../src/orders/events.ts";
import { redriverOf } from "../../src/pipeline/topology.ts";
import { serviceNames, stationsOf } from "../../src/services/registry.ts";
import { type Role, roles } from "./roles.ts";

/** Something that a user may do to one thing, with every subject that this takes. */
export type Act = { does: string; to: string; kind: "publish" | "subscribe"; subjects: string[] };

export const streams = ["ORDERS", "DEAD_LETTERS", "REDRIVES", "KV_INVENTORY", "KV_SUSPECTS", "TRACES"];

/** Each service's consumers, with their streams. */
export const consumersOf = Object.fromEntries(
  serviceNames.map((service) => [
    service,
    stationsOf(service).flatMap(({ consumer }) => [`ORDERS.${consumer}`, `REDRIVES.${redriverOf(consumer)}`]),
  ]),
);

/** A consumer that no service has. */
export const ownConsumer = "ORDERS.reader";

const consumers = [
  ...Object.entries(consumersOf).map(([service, names]) => ({ to: `\`${service}\`'s consumers`, names })),
  { to: "other consumers", names: streams.map((stream) => `${stream}.reader`) },
];

const publish = (does: string, to: string, subjects: string[]): Act => ({
  does,
  to,
  kind: "publish",
  subjects,
});
const subscribe = (to: string, subject = to): Act => ({
  does: "listens on",
  to: `\`${to}\``,
  kind: "subscribe",
  subjects: [subject],
});
const stores = (subject: string): Act => publish("stores", `\`${subject}\``, [subject.replaceAll("*", "x")]);

const onStreams = (does: string, ...verbs: string[]): Act[] =>
  streams.map((stream) =>
    publish(
      does,
      `\`${stream}\``,
      verbs.map((verb) => `$JS.API.${verb}.${stream}`),
    ),
  );

const onConsumers = (does: string, ...verbs: string[]): Act[] =>
  consumers.map(({ to, names }) =>
    publish(
      does,
      to,
      names.flatMap((name) =>
        verbs.map((verb) => (verb.startsWith("$") ? verb : `$JS.API.${verb}`).replace("<consumer>", name)),
      ),
    ),
  );

/** Every right that is to be told of: what is stored, the whole of JetStream's API, and the subjects of orderctl. */
export const acts: readonly Act[] = [
  ...eventKinds.map((kind) => stores(`ORDERS.${kind}.*`)),
  ...["$KV.INVENTORY.*", "$KV.SUSPECTS.*", "TRACES.*"].map(stores),
  ...serviceNames.map((service) => stores(`DEAD_LETTERS.${service}.*`)),
  stores("DEAD_LETTERS.order.*"),
  publish(
    "stores",
    "`REDRIVES.*.*.*`",
    serviceNames.flatMap(stationsOf).map(({ consumer }) => `REDRIVES.${consumer}.1.1`),
  ),
  ...onConsumers("takes messages from", "CONSUMER.MSG.NEXT.<consumer>"),
  ...onConsumers("acknowledges for", "$JS.ACK.<consumer>.1.1.1.1.0"),
  ...onStreams("reads any message of", "STREAM.MSG.GET"),
  ...onStreams("reads without asking the leader (`DIRECT.GET`)", "DIRECT.GET"),
  ...onStreams("reads the settings and state of", "STREAM.INFO"),
  ...onStreams("lists the consumers of", "CONSUMER.LIST"),
  ...onConsumers("reads the state of", "CONSUMER.INFO.<consumer>"),
  publish("asks for the names of", "all streams", ["$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES"]),
  publish("asks for the limits of", "the account", ["$JS.API.INFO"]),
  ...onConsumers(
    "creates and deletes",
    "CONSUMER.CREATE.<consumer>",
    "CONSUMER.CREATE.<consumer>.ORDERS.created.*",
    "CONSUMER.DELETE.<consumer>",
  ),
  ...onConsumers(
    "creates by the old way, pauses, resets",
    "CONSUMER.DURABLE.CREATE.<consumer>",
    "CONSUMER.PAUSE.<consumer>",
    "CONSUMER.RESET.<consumer>",
    "CONSUMER.UNPIN.<consumer>",
    "CONSUMER.LEADER.STEPDOWN.<consumer>",
  ),
  ...onStreams(
    "creates, changes, deletes, empties, copies out or in",
    "STREAM.CREATE",
    "STREAM.UPDATE",
    "STREAM.DELETE",
    "STREAM.PURGE",
    "STREAM.MSG.DELETE",
    "STREAM.SNAPSHOT",
    "STREAM.RESTORE",
    "STREAM.LEADER.STEPDOWN",
    "STREAM.PEER.REMOVE",
  ),
  publish("asks on", "`orderctl.status`", ["orderctl.status"]),
  publish("answers on", "`orderctl.answers.*`", ["orderctl.answers.x"]),
  publish("asks on", "`orderctl.collector`", ["orderctl.collector", "orderctl.collector.host"]),
  publish("answers", "whoever asked on `orderctl.collector`", ["_R_.x"]),
  publish("asks for", "the broker's time", ["$SYS.REQ.ACCOUNT.PING.STATZ"]),
  publish("writes to", "another's inbox", ["_INBOX.x", ...roles.map((role) => `_INBOX_${role}.x`)]),
  publish("asks", "the broker's other questions", ["$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ"]),
  ...["orderctl.status", "orderctl.answers.*", "orderctl.collector"].map((subject) => subscribe(subject)),
  subscribe("ORDERS.>"),
  subscribe("$JS.>"),
  subscribe("$KV.>"),
  subscribe("_INBOX.>"),
  ...roles.map((role) => subscribe(`_INBOX_${role}.>`)),
];

/** Who may do which part of an act. */
export type Rights = ReadonlyMap<Act, ReadonlyMap<Role, "all" | "part" | "none">>;

const signs = { all: "✓", part: "part", none: "" };

/** The rights as a table: of one kind, what everybody may do alike is one row. */
export function rightsTable(rights: Rights): string {
  const rows = new Map<string, { does: string; to: string[]; cells: string }>();
  for (const [act, of] of rights) {
    const cells = roles.map((role) => signs[of.get(role) ?? "none"]).join(" | ");
    const row = rows.get(act.does + cells) ?? { does: act.does, to: [], cells };
    row.to.push(act.to);
    rows.set(act.does + cells, row);
  }
  const head = `| | | ${roles.map((role) => `\`${role}\``).join(" | ")} |`;
  const body = [...rows.values()].map(({ does, to, cells }) => `| ${does} | ${to.join(", ")} | ${cells} |`);
  return [head, `|---|---|${roles.map(() => ":-:|").join("")}`, ...body].join("\n");
}
