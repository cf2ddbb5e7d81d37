import { accessSync, constants } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import type { ConnectionOptions, TlsOptions } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import type { Note } from "../../core/note.ts";
import { readCredentials, readSecretFile } from "./credentials.ts";
import { remedy } from "./remedies.ts";

/** How to reach the broker. Times in ms; file names as given by the user. */
export type ConnectionConfig = {
  servers: string[];
  name: string;
  user?: string | undefined;
  /**
   * The secret itself, or `file://` with the path of a file that is read at each connect; the same for `token`,
   * `userJwt` and `userSeed`.
   */
  password?: string | undefined;
  token?: string | undefined;
  userJwt?: string | undefined;
  userSeed?: string | undefined;
  /** The path of a file that is read at each connect, or `data:;base64,` with its content; the same for `nkeyFile`. */
  credsFile?: string | undefined;
  nkeyFile?: string | undefined;
  /**
   * Credentials that were given and are not sent, because they are for another broker; the hint of a refusal names
   * them.
   */
  withheld?: readonly string[] | undefined;
  /** When it is given, the connection is encrypted or fails. */
  tls?: TlsOptions | undefined;
  inboxPrefix?: string | undefined;
  /** The prefix of JetStream API subjects, if not `$JS.API`: that of a domain is `$JS.<domain>.API`. */
  apiPrefix?: string | undefined;
  connectTimeoutMs: number;
  reconnectWaitMs: number;
  /** How long to try to open the first connection; 0 tries each server once. */
  patienceMs: number;
  /** How long one request to the broker may take. */
  timeoutMs: number;
  /** How long a message that the broker does not store is held and sent again; for ever by default. */
  giveUpMs?: number | undefined;
};

/**
 * The most that one of several attempts to connect may take. The client waits for its whole timeout when the connection
 * ends between the broker's greeting and its answer to the client, as when the broker is killed at that moment.
 */
const attemptMs = 10_000;

const timeoutOf = ({ patienceMs, connectTimeoutMs }: ConnectionConfig): number =>
  patienceMs > 0 ? Math.min(connectTimeoutMs, attemptMs) : connectTimeoutMs;

/**
 * The client's options, the name of the user who connects with them, and the files that are read at each connect.
 * Throws `usage` for a file that cannot be read or used.
 */
export function connectionOptions(
  config: ConnectionConfig,
  note: Note,
): { options: ConnectionOptions; who: string; files: string[] } {
  const options: ConnectionOptions = {
    servers: config.servers,
    name: config.name,
    timeout: timeoutOf(config),
    reconnectTimeWait: config.reconnectWaitMs,
    maxReconnectAttempts: -1,
    // A frozen or unreachable server does not close the connection: after 15 s without an answer the client tries
    // another.
    pingInterval: 5000,
    noAsyncTraces: true,
  };
  if (config.tls) options.tls = checkedTls(config.tls, config.servers);
  if (config.inboxPrefix) options.inboxPrefix = config.inboxPrefix;
  const { authenticator, who, files } = readCredentials(config, note);
  if (authenticator) options.authenticator = authenticator;
  // Otherwise the client closes for good after two refusals, which may be before a renewed credentials file arrives.
  options.ignoreAuthErrorAbort = files.length > 0;
  return { options, who, files };
}

/**
 * Returns a function to call at each try to reconnect. The client reads the TLS files again then and does not report
 * one that it cannot read; the function notes it.
 */
export function tellUnreadable(tls: TlsOptions | undefined, note: Note): () => void {
  const files = [tls?.certFile, tls?.keyFile, tls?.caFile].filter((file) => file !== undefined);
  let told: string | undefined;
  return () => {
    const missing = files.find((file) => !isReadable(file));
    if (missing !== undefined && missing !== told) note(`cannot read the TLS file ${missing}; trying again`);
    told = missing;
  };
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Reads the TLS files to name one that is unusable, which the client does not do. */
function checkedTls(tls: TlsOptions, servers: readonly string[]): TlsOptions {
  const { certFile, keyFile, caFile } = tls;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new OrderctlError("usage", "a client certificate and its key go together", {
      hint: remedy("both_tls_files"),
    });
  }
  const read = (file: string | undefined) => file && readSecretFile(file, "TLS");
  const files = { cert: read(certFile), key: read(keyFile), ca: read(caFile) };
  if (files.ca && !files.ca.includes("-----BEGIN")) throw unusable(caFile);
  try {
    createSecureContext(definedOnly(files));
  } catch {
    throw unusable(certFile && `${certFile} with ${keyFile}`);
  }
  return { ...tls, checkServerIdentity: checkIdentityOf(servers) } as TlsOptions;
}

const unusable = (files: string | undefined): OrderctlError =>
  new OrderctlError("usage", `cannot use ${files} for TLS`, {
    hint: remedy("pem_files"),
  });

const definedOnly = (files: Record<string, Buffer | string | undefined>): Record<string, Buffer | string> =>
  Object.fromEntries(
    Object.entries(files).filter((entry): entry is [string, Buffer | string] => Boolean(entry[1])),
  );

/**
 * For a server given by IP address the client checks the certificate against `localhost`; this checks it against the
 * address.
 */
function checkIdentityOf(servers: readonly string[]) {
  const hosts = servers.map((server) => new URL(server).hostname.replace(/^\[|\]$/g, ""));
  const addresses = hosts.filter((host) => isIP(host) > 0);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    const names = name === "localhost" ? [...addresses, ...hosts.filter((host) => host === name)] : [name];
    const wrong = names.map((each) => checkServerIdentity(each, certificate));
    return wrong.includes(undefined) ? undefined : wrong[0];
  };
}
