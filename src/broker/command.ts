import type { App, Register } from "../cli/command-action.ts";
import { port, withJson, withNoAuth } from "../cli/options.ts";
import {
  defaultPort,
  readBackgroundStatus,
  startBackgroundBroker,
  stopBackgroundBroker,
} from "./background-broker.ts";
import { brokerInstalled, brokerStatus, brokerStopped } from "./broker-status.ts";
import { type BrokerSearch, installBroker } from "./find-broker.ts";

export const registerBroker: Register = (command, act) => {
  const install = command
    .command("install")
    .description("fetch a nats-server and keep it for later, without starting it");
  withJson(install).action(
    act.offline(async (app) => {
      app.terminal.show("broker-binary", await installBroker(searchOf(app)), brokerInstalled);
    }),
  );
  const start = command
    .command("start")
    .description("start a nats-server in the background, fetching one if there is none")
    .option("--port <port>", `on loopback; 0 takes a free one (default: ${defaultPort})`, port);
  withJson(withNoAuth(start)).action(
    act.offline<{ port?: number; auth: boolean }>(async (app, { port, auth }) => {
      const status = await startBackgroundBroker({ ...searchOf(app), port, noAuth: !auth });
      app.terminal.show("broker", status, brokerStatus);
    }),
  );
  const stop = command
    .command("stop")
    .description("stop it, also one that a killed `up` left behind; its streams are kept");
  withJson(stop).action(
    act.offline(async ({ env, terminal }) => {
      terminal.show("broker-stopped", await stopBackgroundBroker({ env }), brokerStopped);
    }),
  );
  const status = command
    .command("status")
    .description("tell whether it runs and where, or which nats-server `start` would use");
  withJson(status).action(
    act.offline(async (app) => {
      app.terminal.show("broker", await readBackgroundStatus(searchOf(app)), brokerStatus);
    }),
  );
};

const searchOf = ({ env, signal, terminal }: App): BrokerSearch => ({ env, signal, onStep: terminal.note });
