import { instanceName } from "../telemetry/hop.ts";
import type { App } from "./command-action.ts";

/** The name of this process (`instance`) in events, logs, spans and metrics. */
export const instanceOf = async (app: App, { instance }: { instance?: string }): Promise<string> =>
  instanceName(instance ?? (await app.config()).instance);

/** The service name of a process that runs these services: the name of the only one, else this program's name. */
export const serviceName = ([only, ...others]: readonly string[]): string =>
  only === undefined || only === "all" || others.length > 0 ? "orderctl" : only;
