import type { NatsContext } from "./nats-context.ts";

/**
 * A setting of the connection and the places where it may be given: a flag, an environment variable, a key in a context
 * file of the nats CLI.
 */
export type FlagSpec = {
  /** As commander has it among its options: `tlsFirst` for `--tls-first`. */
  flag?: string;
  short?: string;
  /** What the help shows for the value; a switch has none. */
  value?: string;
  summary?: string;
  /** What the help says after the environment variable. */
  rest?: string;
  variable?: string;
  key?: keyof NatsContext;
  /** Never shown, unless it names a file. */
  isSecret?: boolean;
};

/**
 * Says how to reach the broker, in the order of the help. The options of the commands, the lookup of settings,
 * `status` and the command lines that orderctl prints for typing again come from here.
 */
export const connectionFlags = {
  server: {
    flag: "server",
    short: "s",
    value: "<url>",
    summary: "where the broker is; several with commas",
    rest: "; else the one in the background",
    variable: "NATS_URL",
    key: "url",
  },
  context: {
    flag: "context",
    value: "<name>",
    summary: "a context of the nats CLI",
    variable: "NATS_CONTEXT",
  },
  user: { flag: "user", value: "<name>", summary: "user name", variable: "NATS_USER", key: "user" },
  password: {
    flag: "password",
    value: "<password>",
    summary: "password",
    variable: "NATS_PASSWORD",
    key: "password",
    isSecret: true,
  },
  token: {
    flag: "token",
    value: "<token>",
    summary: "authentication token",
    variable: "NATS_TOKEN",
    key: "token",
    isSecret: true,
  },
  credsFile: {
    flag: "creds",
    value: "<file>",
    summary: "credentials file",
    variable: "NATS_CREDS",
    key: "creds",
  },
  nkeyFile: {
    flag: "nkey",
    value: "<file>",
    summary: "nkey seed file",
    variable: "NATS_NKEY",
    key: "nkey",
  },
  userJwt: { key: "user_jwt", isSecret: true },
  userSeed: { key: "user_seed", isSecret: true },
  certFile: {
    flag: "tlscert",
    value: "<file>",
    summary: "client certificate",
    variable: "NATS_CERT",
    key: "cert",
  },
  keyFile: { flag: "tlskey", value: "<file>", summary: "its private key", variable: "NATS_KEY", key: "key" },
  caFile: {
    flag: "tlsca",
    value: "<file>",
    summary: "certificate authority to trust",
    variable: "NATS_CA",
    key: "ca",
  },
  tlsFirst: {
    flag: "tlsFirst",
    summary: "begin with TLS, before the server's greeting",
    key: "tls_first",
  },
  inboxPrefix: {
    flag: "inboxPrefix",
    value: "<prefix>",
    summary: "where this user may listen for answers",
    variable: "NATS_INBOX_PREFIX",
    key: "inbox_prefix",
  },
  jsDomain: {
    flag: "jsDomain",
    value: "<domain>",
    summary: "the JetStream domain, where the server is a leaf node of it",
    key: "jetstream_domain",
  },
  jsApiPrefix: { key: "jetstream_api_prefix" },
} as const satisfies Record<string, FlagSpec>;

/** The time limits of a connection, with the setting that each is for. */
export const connectionTimes = [
  { flag: "timeout", setting: "timeoutMs", summary: "how long one answer may take", defaultMs: 5000 },
  {
    flag: "connectTimeout",
    setting: "connectTimeoutMs",
    summary: "how long a connection may take",
    defaultMs: 30_000,
  },
  { flag: "reconnectWait", setting: "reconnectWaitMs", summary: "time between two tries", defaultMs: 1000 },
] as const;

/** A flag as it is typed: `--tls-first` for `tlsFirst`. */
export const typed = (flag: string): string =>
  `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The settings that a flag can give. */
export const flagSpecs: readonly (FlagSpec & { flag: string })[] = Object.values(connectionFlags).filter(
  (spec) => "flag" in spec,
);
