import { describe, expect, it } from "vitest";
import { runCommand } from "../support/run-command.ts";
import { everyCommand } from "./every-command.ts";
import { serverOfTest, servers } from "./secured-broker.ts";

describe.each(servers)("nats-server $version", (server) => {
  it("is left at once by every command whose password is wrong, with a line that names the user", async () => {
    const text = "jetstream: enabled\nauthorization { users: [{ user: clerk, password: right }] }";
    const { url } = await serverOfTest(server, { text });
    for (const command of everyCommand) {
      const env = { NATS_USER: "clerk", NATS_PASSWORD: "wrong" };
      expect(await runCommand(`${command} -s ${url}`, { env }), command).toMatchObject({
        exitCode: 7,
        stdout: "",
        stderr: `error: cannot connect to ${url}: the broker refuses user "clerk"\n  check --creds, --user/--password, --token or --context\n`,
      });
    }
  });
});
