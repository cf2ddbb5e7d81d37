import { accessSync, constants } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import type { ConnectionOptions, TlsOptions } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import type { Note } from "../../core/note.ts";
import { readCredentials, readSecretFile } from "./credentials.ts";

/** How to reach the broker. Times in ms; file names as given by the user. */
export type ConnectionConfig = {
  servers: string[];
  name: string;
  user?: string | undefined;
  /** This and the other secrets: it itself, or `file://` with the path of a file that is read at each connect. */
  password?: string | undefined;
  token?: string | undefined;
  userJwt?: string | undefined;
  userSeed?: string | undefined;
  /** The path of a file that is read at each connect, or `data:;base64,` with its content. */
  credsFile?: string | undefined;
  nkeyFile?: string | undefined;
  /** What was given and is not sent, because it is for another broker; for the text of a refusal. */
  withheld?: readonly string[] | undefined;
  /** Where it is given the connection is encrypted or there is none. */
  tls?: TlsOptions | undefined;
  inboxPrefix?: string | undefined;
  /** Where the JetStream API listens, if not on `$JS.API`: that of a domain is `$JS.<domain>.API`. */
  apiPrefix?: string | undefined;
  connectTimeoutMs: number;
  reconnectWaitMs: number;
  /** How long the first connection may be tried for; 0 tries each server once. */
  patienceMs: number;
  /** How long one request to the broker may take. */
  timeoutMs: number;
  /** How long what cannot be stored is held through an outage; for ever by default. */
  giveUpMs?: number | undefined;
};

/**
 * The most that one of several attempts to connect may take: where a connection ends after the broker's greeting and before
 * the answer to ours, as when the broker is killed just then, the client waits for the whole of its time.
 */
const attemptMs = 10_000;

const timeoutOf = ({ patienceMs, connectTimeoutMs }: ConnectionConfig): number =>
  patienceMs > 0 ? Math.min(connectTimeoutMs, attemptMs) : connectTimeoutMs;

/** The client's own options, who connects with them, and the files that are read for it each time; throws `usage` for a file that cannot be read or used. */
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
    // A server that is frozen or cut off closes nothing: after 15 s without an answer another is tried.
    pingInterval: 5000,
    noAsyncTraces: true,
  };
  if (config.tls) options.tls = checkedTls(config.tls, config.servers);
  if (config.inboxPrefix) options.inboxPrefix = config.inboxPrefix;
  const { authenticator, who, files } = readCredentials(config, note);
  if (authenticator) options.authenticator = authenticator;
  // Refused twice, the client would close for good: before the file that is renewed has arrived.
  options.ignoreAuthErrorAbort = files.length > 0;
  return { options, who, files };
}

/** For each try to come back: the client reads the files anew, and tells nobody that it could not. */
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

/** The client itself does not tell which file it could not read. */
function checkedTls(tls: TlsOptions, servers: readonly string[]): TlsOptions {
  const { certFile, keyFile, caFile } = tls;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new OrderctlError("usage", "a client certificate and its key go together", {
      hint: "give both --tlscert and --tlskey",
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
    hint: "they are PEM files: a certificate, and the private key that belongs to it",
  });

const definedOnly = (files: Record<string, Buffer | string | undefined>): Record<string, Buffer | string> =>
  Object.fromEntries(
    Object.entries(files).filter((entry): entry is [string, Buffer | string] => Boolean(entry[1])),
  );

/** For an address without a name the client would check the certificate against `localhost`. */
function checkIdentityOf(servers: readonly string[]) {
  const hosts = servers.map((server) => new URL(server).hostname.replace(/^\[|\]$/g, ""));
  const addresses = hosts.filter((host) => isIP(host) > 0);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    const names = name === "localhost" ? [...addresses, ...hosts.filter((host) => host === name)] : [name];
    const wrong = names.map((each) => checkServerIdentity(each, certificate));
    return wrong.includes(undefined) ? undefined : wrong[0];
  };
}
