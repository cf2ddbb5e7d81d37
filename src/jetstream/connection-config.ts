import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import type { ConnectionOptions, TlsOptions } from "nats";
import { OrderctlError } from "../errors.ts";
import { readCredentials, readSecretFile } from "./credentials.ts";

/** How to reach the broker. Times in ms; file names as given by the user. */
export type ConnectionConfig = {
  servers: string[];
  name: string;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
  credsFile?: string | undefined;
  nkeyFile?: string | undefined;
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

/** The client's own options, and who connects with them; throws `usage` for a file that cannot be read or used. */
export function connectionOptions(config: ConnectionConfig): { options: ConnectionOptions; who: string } {
  const options: ConnectionOptions = {
    servers: config.servers,
    name: config.name,
    timeout: config.connectTimeoutMs,
    reconnectTimeWait: config.reconnectWaitMs,
    maxReconnectAttempts: -1,
    // A server that is frozen or cut off closes nothing: after 15 s without an answer another is tried.
    pingInterval: 5000,
    noAsyncTraces: true,
  };
  if (config.user !== undefined) options.user = config.user;
  if (config.password !== undefined) options.pass = config.password;
  if (config.token !== undefined) options.token = config.token;
  if (config.tls) options.tls = checkedTls(config.tls, config.servers);
  if (config.inboxPrefix) options.inboxPrefix = config.inboxPrefix;
  const { authenticator, who } = readCredentials(config);
  if (authenticator) options.authenticator = authenticator;
  return { options, who };
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
