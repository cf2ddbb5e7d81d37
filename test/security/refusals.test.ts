import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { openSecuredWorld, type Role, type SecuredWorld } from "./roles.ts";
import { servers } from "./secured-broker.ts";

/** What a user may not do, and what the broker then names. */
const commands: [Role, string, RegExp][] = [
  ["payment", "publish order", /ORDERS\.created\.[\w-]+/],
  ["operator", "publish order", /ORDERS\.created\.[\w-]+/],
  ["admin", "publish order", /ORDERS\.created\.[\w-]+/],
  [
    "publisher",
    "publish order --wait",
    /\$JS\.API\.CONSUMER\.CREATE\.ORDERS\.[\w-]+\.ORDERS\.notifications\.\*/,
  ],
  ["payment", "inventory list", /\$JS\.API\.STREAM\.INFO\.KV_INVENTORY/],
  ["payment", "inventory set MUG=5", /\$JS\.API\.STREAM\.INFO\.KV_INVENTORY/],
  ["operator", "inventory set MUG=5", /\$KV\.INVENTORY\.MUG/],
  ["payment", "topology apply", /\$JS\.API\.STREAM\.INFO\.KV_INVENTORY/],
  ["payment", "audit", /\$JS\.API\.CONSUMER\.CREATE\.ORDERS\.\w+/],
  ["shipping", "lag DEAD_LETTERS", /\$JS\.API\.CONSUMER\.LIST\.DEAD_LETTERS/],
  ["publisher", "lag", /\$JS\.API\.CONSUMER\.LIST\.ORDERS/],
  ["collector", "trace some-order", /\$JS\.API\.STREAM\.MSG\.GET\.ORDERS/],
  ["payment", "serve shipping", /\$JS\.API\.CONSUMER\.MSG\.NEXT\.(?:ORDERS|REDRIVES)\.[\w-]+/],
  ["operator", "serve all --http-port 0", /\$JS\.API\.CONSUMER\.MSG\.NEXT\.(?:ORDERS|REDRIVES)\.[\w-]+/],
  ["publisher", "collect --port 0", /\$JS\.API\.STREAM\.INFO\.TRACES/],
];

/** What no command does, and a program in the wrong hands might. */
const messages: [Role, string][] = [
  ["payment", "ORDERS.shipments.o1"],
  ["payment", "ORDERS.created.o1"],
  ["payment", "ORDERS.payments.o1.more"],
  ["payment", "$KV.INVENTORY.MUG"],
  ["payment", "$JS.API.STREAM.DELETE.ORDERS"],
  ["payment", "$JS.API.STREAM.PURGE.ORDERS"],
  ["payment", "$JS.API.STREAM.MSG.GET.KV_INVENTORY"],
  ["payment", "$JS.API.DIRECT.GET.KV_INVENTORY"],
  ["payment", "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.mine"],
  ["payment", "$JS.API.CONSUMER.DELETE.ORDERS.payment-processor"],
  ["payment", "$JS.ACK.ORDERS.shipping-booker.1.1.1.1.0"],
  ["payment", "DEAD_LETTERS.shipping.o1"],
  ["payment", "REDRIVES.payment-processor.1.1"],
  ["payment", "_INBOX_inventory.x"],
  ["inventory", "ORDERS.payments.o1"],
  ["shipping", "ORDERS.reservations.o1"],
  ["notification", "ORDERS.refunds.o1"],
  ["order", "ORDERS.payments.o1"],
  ["publisher", "ORDERS.notifications.o1"],
  ["collector", "ORDERS.created.o1"],
  ["operator", "ORDERS.created.o1"],
  ["operator", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.payment-processor"],
  ["operator", "$JS.API.CONSUMER.DELETE.ORDERS.shipping-booker"],
  ["operator", "$JS.API.CONSUMER.CREATE.ORDERS.payment-refunder.ORDERS.created.*"],
  ["operator", "$JS.API.CONSUMER.DELETE.REDRIVES.redrive-shipping-booker"],
  ["operator", "$JS.API.STREAM.UPDATE.ORDERS"],
  ["operator", "$JS.ACK.ORDERS.payment-processor.1.1.1.1.0"],
  ["admin", "ORDERS.payments.o1"],
  ["admin", "$KV.INVENTORY.MUG"],
];

const subscriptions: [Role, string][] = [
  ["payment", ">"],
  ["payment", "_INBOX.>"],
  ["payment", "_INBOX_inventory.>"],
  ["payment", "orderctl.collector"],
  ["operator", "ORDERS.>"],
  ["admin", "_INBOX_payment.>"],
];

describe.each(servers)("nats-server $version with deploy/nats/orderctl.conf", (server) => {
  let world: SecuredWorld;

  beforeAll(async () => {
    world = await openSecuredWorld(server);
    await world.as("admin", "topology apply");
  });

  afterAll(() => world.stop());

  it.each(
    commands,
  )("lets %s not do `%s`: exit code 7, and a line that names subject and user", async (role, words, subject) => {
    const { exitCode, stderr } = await world.as(role, words);
    const lines = stderr
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("{"));
    expect(exitCode, stderr).toBe(7);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(new RegExp(`^error: cannot .*${subject.source}.*\\(user "${role}"\\)$`));
    expect(lines[1]).toMatch(/^ {2}use a user that may: --context, --creds or --user$/);
  });

  it("refuses every other message that is not its sender's to send", async () => {
    const allowed: string[] = [];
    for (const [role, subject] of messages) {
      const connection = await open(role);
      const refused: string[] = [];
      connection.onDenied((each) => refused.push(each));
      connection.nats.publish(subject);
      await connection.nats.flush();
      await connection.close();
      if (!refused.includes(subject)) allowed.push(`${role}: ${subject}`);
    }
    expect(allowed).toEqual([]);
  });

  it("lets nobody listen to what is another's", async () => {
    const allowed: string[] = [];
    for (const [role, subject] of subscriptions) {
      const connection = await open(role);
      let refused = false;
      const callback = (error: Error | null) => {
        refused = refused || error !== null;
      };
      connection.nats.subscribe(subject, { callback });
      await connection.nats.flush();
      await connection.close();
      if (!refused) allowed.push(`${role}: ${subject}`);
    }
    expect(allowed).toEqual([]);
  });

  it("names the missing inbox prefix where a user must have its own", async () => {
    const env = {
      NATS_URL: world.broker.url,
      NATS_USER: "operator",
      NATS_PASSWORD: world.passwords.operator,
    };
    const ran = await runCommand("lag", { env });
    expect(ran).toMatchObject({
      exitCode: 7,
      stderr:
        'error: user "operator" may not listen for answers on _INBOX.>\n  --inbox-prefix (or inbox_prefix in the context) names the prefix that this user may use\n',
    });
    expect(await runCommand("lag --inbox-prefix _INBOX_operator", { env })).toMatchObject({ exitCode: 0 });
    const prefixed = { ...env, NATS_INBOX_PREFIX: "_INBOX_operator" };
    expect(await runCommand("lag", { env: prefixed })).toMatchObject({ exitCode: 0 });
    expect(await runCommand("lag --inbox-prefix _INBOX.>", { env })).toMatchObject({ exitCode: 2 });
  });

  const open = (role: Role) =>
    openTestConnection(world.broker.url, {
      user: role,
      password: world.passwords[role],
      inboxPrefix: `_INBOX_${role}`,
    });
});
