import { formatDuration } from "../terminal/format.ts";
import type { BackgroundStatus } from "./background-broker.ts";
import type { BrokerBinary } from "./broker-binary.ts";

/** The status as text: whether the background broker runs and where, then its details. */
export function brokerStatus(status: BackgroundStatus & { started?: boolean }): string {
  const { running, answering, version, url, pid, started, keptBy } = status;
  if (!running) return notRunning(status);
  const already = started === false ? "already " : "";
  const state = answering ? `is ${already}running at ${url}` : `does not answer at ${url ?? "its address"}`;
  const facts = [
    `nats-server ${version} ${state} (pid ${pid})`,
    `  up      ${formatDuration(status.uptimeS === null ? null : status.uptimeS * 1000)}`,
    `  data    ${status.storeDir}`,
    `  login   ${loginOf(status)}`,
    ...(status.binary === null ? [] : [`  binary  ${status.binary} (${status.source})`]),
    keptBy === null
      ? "stop it with `orderctl broker stop`"
      : `it belongs to process ${keptBy} (\`orderctl up\`), with which it ends`,
  ];
  return facts.join("\n");
}

/** Shows the path of the key, because NATS clients other than orderctl need it. */
const loginOf = ({ credential, nkey, url }: BackgroundStatus): string =>
  credential === "present"
    ? `credential present; \`nats --server ${url} --nkey ${nkey}\` uses it`
    : "none: everybody on this machine may connect (--no-auth, or started by an older orderctl)";

function notRunning({ version, binary, source, storeDir }: BackgroundStatus): string {
  const next =
    binary === null
      ? "there is no nats-server here; `orderctl broker start` fetches one"
      : `\`orderctl broker start\` would use nats-server ${version}, ${binary} (${source})`;
  return `no background broker is running\n  data    ${storeDir}\n${next}`;
}

export const brokerStopped = ({ stopped }: { stopped: boolean }): string =>
  stopped ? "the background broker is stopped; its streams are kept" : "no background broker was running";

export const brokerInstalled = ({ version, path, source }: BrokerBinary): string =>
  `nats-server ${version} is at ${path} (${source})\nstart it with \`orderctl broker start\``;
