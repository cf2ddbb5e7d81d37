import { instanceName } from "../telemetry/hop.ts";
import type { App } from "./act.ts";

/** How this process calls itself in events, logs, spans and metrics. */
export const instanceOf = async (app: App, { instance }: { instance?: string }): Promise<string> =>
  instanceName(instance ?? (await app.config()).instance);

/** What a process is called that runs these: by its one service, or by this program's name. */
export const serviceName = ([only, ...others]: readonly string[]): string =>
  only === undefined || only === "all" || others.length > 0 ? "orderctl" : only;
