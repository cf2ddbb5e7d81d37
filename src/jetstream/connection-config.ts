import { readFileSync } from "node:fs";
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from "nats";
import { OrderctlError } from "../errors.ts";

/** How to reach the broker. Times in ms; file names as given by the user. */
export type ConnectionConfig = {
  servers: string[];
  name: string;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
  credsFile?: string | undefined;
  nkeyFile?: string | undefined;
  tls?: TlsOptions | undefined;
  inboxPrefix?: string | undefined;
  connectTimeoutMs: number;
  reconnectWaitMs: number;
  /** How long the first connection may be tried for; 0 tries each server once. */
  patienceMs: number;
  /** How long one request to the broker may take. */
  timeoutMs: number;
};

/** The client's own options; throws `usage` for a file that cannot be read. */
export function connectionOptions(config: ConnectionConfig): ConnectionOptions {
  const options: ConnectionOptions = {
    servers: config.servers,
    name: config.name,
    timeout: config.connectTimeoutMs,
    reconnectTimeWait: config.reconnectWaitMs,
    maxReconnectAttempts: -1,
    noAsyncTraces: true,
  };
  if (config.user !== undefined) options.user = config.user;
  if (config.password !== undefined) options.pass = config.password;
  if (config.token !== undefined) options.token = config.token;
  if (config.tls) options.tls = checkedTls(config.tls);
  if (config.inboxPrefix) options.inboxPrefix = config.inboxPrefix;
  const authenticator = authenticatorOf(config);
  if (authenticator) options.authenticator = authenticator;
  return options;
}

function authenticatorOf({ credsFile, nkeyFile }: ConnectionConfig): Authenticator | undefined {
  if (credsFile) return credsAuthenticator(readSecret(credsFile, "credentials"));
  if (nkeyFile) return nkeyAuthenticator(readSecret(nkeyFile, "nkey seed"));
  return undefined;
}

/** The client itself does not tell which file it could not read. */
function checkedTls(tls: TlsOptions): TlsOptions {
  for (const file of [tls.certFile, tls.keyFile, tls.caFile]) if (file) readSecret(file, "TLS");
  return tls;
}

function readSecret(file: string, what: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new OrderctlError("usage", `cannot read the ${what} file ${file}`, { cause });
  }
}
