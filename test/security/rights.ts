import { redriverOf } from "../../src/flow/flow-topology.ts";
import { eventKinds } from "../../src/orders/events.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { type Role, roles } from "./roles.ts";

/** Something that a user may do to one thing, with every subject that this takes: for each user the same, or others. */
export type Act = {
  does: string;
  to: string;
  kind: "publish" | "subscribe";
  subjects(role: Role): string[];
};

export const streams = [
  "ORDERS",
  "DEAD_LETTERS",
  "REDRIVES",
  "KV_INVENTORY",
  "KV_SUSPECTS",
  "KV_ORDERS_ARCHIVE",
  "OBJ_ORDERS",
  "TRACES",
];

/** Each service's consumers, as `<stream>.<consumer>`. */
const { services: serviceNames, subscriptionsOf } = orderShape;

const consumers = serviceNames.flatMap((service) =>
  subscriptionsOf(service).flatMap(({ consumer }) => [
    { service, name: `ORDERS.${consumer}` },
    { service, name: `REDRIVES.${redriverOf(consumer)}` },
  ]),
);

/** The consumers of every service but one. */
export const consumersBeside = (role: Role): string[] =>
  consumers.filter(({ service }) => service !== role).map(({ name }) => name);

/** A consumer that no service has. */
export const readerOf = (stream: string): string => `${stream}.reader`;

const publish = (does: string, to: string, ...subjects: string[]): Act => ({
  does,
  to,
  kind: "publish",
  subjects: () => subjects,
});

const stores = (...patterns: string[]): Act[] =>
  patterns.map((pattern) =>
    publish("stores", `\`${pattern}\``, pattern.replaceAll("*", "x").replace(">", "x.y")),
  );

const onStreams = (does: string, ...verbs: string[]): Act[] =>
  streams.map((stream) =>
    publish(does, `\`${stream}\``, ...verbs.map((verb) => `$JS.API.${verb}`.replace("<stream>", stream))),
  );

const onConsumers = (does: string, ...verbs: string[]): Act[] => {
  const act = (to: string, names: (role: Role) => string[]): Act => ({
    does,
    to,
    kind: "publish",
    subjects: (role) => names(role).flatMap((name) => verbs.map((verb) => verb.replace("<consumer>", name))),
  });
  return [
    act("its service's consumers", (role) =>
      consumers.filter(({ service }) => service === role).map(({ name }) => name),
    ),
    act("other services' consumers", consumersBeside),
    ...streams.map((stream) => ({
      ...act(`\`${stream}\``, () => [readerOf(stream)]),
      does: `${does} consumers of no service on`,
    })),
  ];
};

const listens = (to: string, subjects: (role: Role) => string[]): Act => ({
  does: "listens on",
  to,
  kind: "subscribe",
  subjects,
});

const onVerbs = (place: string): string[] => ["PING", "INFO", "STATS"].map((verb) => `$SRV.${verb}${place}`);

const others = (role: Role): Role[] => roles.filter((each) => each !== role);

const letters = (to: string, whose: (role: Role) => string[]): Act => ({
  does: "stores",
  to,
  kind: "publish",
  subjects: (role) => whose(role).map((name) => `DEAD_LETTERS.${name}.x`),
});

/** Every right that is to be told of: what is stored, the whole of JetStream's API, and the subjects of orderctl. */
export const acts: readonly Act[] = [
  ...stores(...eventKinds.map((kind) => `ORDERS.${kind}.*`), "$KV.INVENTORY.>"),
  letters("`DEAD_LETTERS.*.*` of its service", (role) => serviceNames.filter((name) => name === role)),
  letters("`DEAD_LETTERS.*.*` of others", others),
  ...stores("$KV.SUSPECTS.*", "$KV.ORDERS_ARCHIVE.>", "$O.ORDERS.>", "TRACES.*", "REDRIVES.*.*.*"),
  ...onConsumers("takes messages from", "$JS.API.CONSUMER.MSG.NEXT.<consumer>"),
  ...onConsumers("acknowledges for", "$JS.ACK.<consumer>.1.1.1.1.0"),
  ...onStreams("reads any message of", "STREAM.MSG.GET.<stream>"),
  ...onStreams("reads from any replica of", "DIRECT.GET.<stream>", "DIRECT.GET.<stream>.ORDERS.created.x"),
  ...onStreams("reads settings and state of", "STREAM.INFO.<stream>"),
  ...onStreams("reads consumers' states of", "CONSUMER.LIST.<stream>"),
  ...onStreams("reads consumers' names of", "CONSUMER.NAMES.<stream>"),
  ...onConsumers("reads the state of", "$JS.API.CONSUMER.INFO.<consumer>"),
  publish("reads the names of", "all streams", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES"),
  publish("reads the limits of", "the account", "$JS.API.INFO"),
  publish("reads", "the broker's time", "$SYS.REQ.ACCOUNT.PING.STATZ"),
  ...onConsumers(
    "creates, changes, deletes",
    "$JS.API.CONSUMER.CREATE.<consumer>",
    "$JS.API.CONSUMER.CREATE.<consumer>.ORDERS.created.*",
    "$JS.API.CONSUMER.DELETE.<consumer>",
  ),
  ...onConsumers(
    "pauses, resets, moves",
    "$JS.API.CONSUMER.DURABLE.CREATE.<consumer>",
    "$JS.API.CONSUMER.PAUSE.<consumer>",
    "$JS.API.CONSUMER.RESET.<consumer>",
    "$JS.API.CONSUMER.UNPIN.<consumer>",
    "$JS.API.CONSUMER.LEADER.STEPDOWN.<consumer>",
  ),
  ...onStreams("empties", "STREAM.PURGE.<stream>"),
  ...onStreams(
    "creates, changes, deletes, restores",
    "CONSUMER.CREATE.<stream>",
    "STREAM.CREATE.<stream>",
    "STREAM.UPDATE.<stream>",
    "STREAM.DELETE.<stream>",
    "STREAM.MSG.DELETE.<stream>",
    "STREAM.SNAPSHOT.<stream>",
    "STREAM.RESTORE.<stream>",
    "STREAM.LEADER.STEPDOWN.<stream>",
    "STREAM.PEER.REMOVE.<stream>",
  ),
  publish("asks on", "`orderctl.status`", "orderctl.status"),
  publish("asks on", "`orderctl.collector`", "orderctl.collector", "orderctl.collector.host"),
  publish("asks on", "`$SRV.>`", "$SRV.PING", "$SRV.INFO.payment", "$SRV.STATS.payment.x"),
  publish("answers on", "`orderctl.answers.*`", "orderctl.answers.x"),
  publish("answers on", "`_INBOX_services.>`, who asked on `$SRV.>`", "_INBOX_services.x"),
  publish("answers on", "`_R_.>`, who asked on `orderctl.collector`", "_R_.x"),
  {
    does: "writes to",
    to: "others' inboxes",
    kind: "publish",
    subjects: (role) => ["_INBOX.x", ...others(role).map((other) => `_INBOX_${other}.x`)],
  },
  publish(
    "writes to",
    "anything else",
    "anything.else",
    "ORDERS.created.x.more",
    "ORDERS.unknown.x",
    "DEAD_LETTERS.x",
    "$KV.OTHER.x",
    "$O.OTHER.x",
    "$JS.FC.x",
    "$JS.EVENT.ADVISORY.x",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "$SYS.REQ.USER.INFO",
  ),
  listens("`_INBOX_<user>.>`, its own", (role) => [`_INBOX_${role}.>`]),
  listens("others' inboxes", (role) => ["_INBOX.>", ...others(role).map((other) => `_INBOX_${other}.>`)]),
  listens("`orderctl.status`", () => ["orderctl.status"]),
  listens("`orderctl.answers.*`", () => ["orderctl.answers.*"]),
  listens("`$SRV.*`, `$SRV.*.<user>`, `$SRV.*.<user>.*`", (role) => [
    ...onVerbs(""),
    ...onVerbs(`.${role}`),
    ...onVerbs(`.${role}.x`),
  ]),
  listens("`$SRV.*.*` of others", (role) => [
    "$SRV.>",
    ...others(role).flatMap((other) => onVerbs(`.${other}`)),
  ]),
  listens("`_INBOX_services.>`", () => ["_INBOX_services.>"]),
  listens("`orderctl.collector`", () => ["orderctl.collector", "orderctl.collector.*"]),
  listens("anything else", () => [">", "ORDERS.>", "DEAD_LETTERS.>", "$KV.>", "$JS.>", "$SYS.>", "_R_.>"]),
];

/** Every subject that one of the acts takes. */
export const subjectsOf = (kind: Act["kind"], role: Role): string[] =>
  acts.filter((act) => act.kind === kind).flatMap((act) => act.subjects(role));

export type Share = "all" | "part" | "none";

const signs = { all: "✓", part: "part", none: "" };

/** Who may do which part of an act, as a table: what all users may do alike to several things is one row. */
export function rightsTable(rights: ReadonlyMap<Act, ReadonlyMap<Role, Share>>): string {
  const rows = new Map<string, { does: string; to: string[]; cells: string }>();
  for (const [{ does, to }, shares] of rights) {
    const cells = roles.map((role) => signs[shares.get(role) ?? "none"]).join(" | ");
    const row = rows.get(does + cells) ?? { does, to: [], cells };
    row.to.push(to);
    rows.set(does + cells, row);
  }
  const head = `| | | ${roles.map((role) => `\`${role}\``).join(" | ")} |`;
  const line = `|---|---|${roles.map(() => ":-:|").join("")}`;
  const every = streams.map((stream) => `\`${stream}\``).join(", ");
  const body = [...rows.values()].map(
    ({ does, to, cells }) => `| ${does} | ${to.join(", ").replace(every, "every stream")} | ${cells} |`,
  );
  return [head, line, ...body].join("\n");
}
