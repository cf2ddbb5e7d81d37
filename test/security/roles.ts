import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ran, runCommand } from "../support/run-command.ts";
import { type Running, startServer } from "./secured-broker.ts";

export const roles = [
  "order",
  "payment",
  "inventory",
  "shipping",
  "notification",
  "archive",
  "publisher",
  "operator",
  "collector",
  "admin",
] as const;

export type Role = (typeof roles)[number];

export const config = join(import.meta.dirname, "../../deploy/nats/orderctl.conf");

/** A broker with the configuration that is delivered, and a context of the nats CLI for each of its users. */
export type SecuredWorld = {
  broker: Running;
  env: NodeJS.ProcessEnv;
  passwords: Record<Role, string>;
  as(role: Role, words: string): Promise<Ran>;
  stop(): Promise<void>;
};

export async function openSecuredWorld(server: { path: string }): Promise<SecuredWorld> {
  const passwords = Object.fromEntries(
    roles.map((role) => [role, `${role}-${randomBytes(12).toString("hex")}`]),
  ) as Record<Role, string>;
  const variables = roles.map((role) => [`ORDERCTL_${role.toUpperCase()}_PASSWORD`, `"${passwords[role]}"`]);
  const broker = await startServer(server, { file: config }, Object.fromEntries(variables));
  const home = await mkdtemp(join(tmpdir(), "orderctl-roles-"));
  await mkdir(join(home, "nats", "context"), { recursive: true });
  for (const role of roles) {
    const context = {
      url: broker.url,
      user: role,
      password: `env://SECRET_OF_${role.toUpperCase()}`,
      inbox_prefix: `_INBOX_${role}`,
    };
    await writeFile(join(home, "nats", "context", `${role}.json`), JSON.stringify(context));
  }
  const secrets = roles.map((role) => [`SECRET_OF_${role.toUpperCase()}`, passwords[role]]);
  const env = { XDG_CONFIG_HOME: home, OTEL_TRACES_EXPORTER: "none", ...Object.fromEntries(secrets) };
  return {
    broker,
    env,
    passwords,
    as: (role, words) => runCommand(`${words} --context ${role}`, { env }),
    async stop() {
      await broker.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
