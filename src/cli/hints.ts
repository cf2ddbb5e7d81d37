import type { Hint } from "../core/errors.ts";
import type { RemedyName } from "../jetstream/client/remedies.ts";

const account = "`nats account info` shows the account's limits and what is used of them";

/**
 * What to type or to look at, in the words of the command line, for each remedy that an error of the broker may name.
 */
const hints: Readonly<Record<RemedyName, string | ((value: string) => string)>> = {
  tls_authority: "--tlsca names the certificate of the authority",
  renew_certificate: "whoever runs the broker has to renew it",
  check_clocks: "are the clocks of both right?",
  name_of_certificate: "--server takes a name or address that the certificate has",
  tls_later: "without --tls-first, TLS begins after its greeting",
  without_tls: "is it the right server? without tls:// and the --tls flags the connection is not encrypted",
  trusted_certificate: "--tlscert and --tlskey name a certificate that the broker trusts",
  both_tls_files: "give both --tlscert and --tlskey",
  pem_files: "they are PEM files: a certificate, and the private key that belongs to it",
  withheld: (what) => `${what} was not sent: NATS_URL names another broker`,
  loopback_address: (port) =>
    `is it the one of \`orderctl broker start\`? then write --server nats://127.0.0.1:${port}, to which its key is sent`,
  connection_limit: "who is connected: `nats server report connections`; its configuration has the limit",
  start_broker: "start one with `orderctl broker start` or `orderctl up`, or name yours with --server",
  strange_server: "is it a nats-server? one that begins with TLS needs --tls-first; --server names another",
  update_broker: "update it, or start one with `orderctl broker start`; --server names another",
  inbox_prefix: "--inbox-prefix (or inbox_prefix in the context) names the prefix that this user may use",
  expected_credentials: (files) => `does ${files} hold what the broker expects?`,
  report_fault: "this is a fault of orderctl; the log of the broker may say more",
  write_credentials: "`nsc generate creds` writes one",
  write_nkey: "it holds a line that begins with SU",
  token_and_seed: "a JSON Web Token and the seed of its user",
  check_credentials: "check --creds, --user/--password, --token or --context",
  other_user: "use a user that may: --context, --creds or --user",
  enable_for_account:
    "have it enabled for the account, or use a user of another: --context, --creds or --user",
  enable_jetstream: "is JetStream enabled on this server (nats-server -js)?",
  account_limits: account,
  less_storage: `streams with less --max-bytes may fit; ${account}`,
  less_replicas: `the account has no limits for so many --replicas; ${account}`,
  fewer_consumers: `\`orderctl lag <stream>\` shows who reads; \`nats consumer rm\` removes one; ${account}`,
  fewer_streams: `\`nats stream ls\` shows those there are, \`nats stream rm\` removes one; ${account}`,
  limited_stream: "`orderctl topology apply --max-bytes 10GB` makes streams that have a limit",
  smaller_stream: `a stream may not be so large: less --max-bytes; ${account}`,
  more_ack_pending: `orderctl's consumers need a max_ack_pending of 20,000; ${account}`,
  foreign_name: "`orderctl topology diff` shows what is otherwise than orderctl wants it",
  server_for_each_replica: "each replica needs a server of its own: are all servers of the cluster up?",
  one_replica: "--replicas 1, or --server names a server that is one of a cluster",
  remove_stream:
    "`nats stream rm` removes a stream that nobody needs; --context or --user names another account",
  update_cluster: "update every server of the cluster; --replicas 1 keeps the streams on one of them",
  update_for_limits: (version) =>
    `from ${version} on it refuses new ones instead: update it, or leave out --max-bytes`,
  create_topology: "a user that may create it does so with `orderctl topology apply`, once",
  look_at_broker: "is it up, and does it answer? `orderctl status` tells; a longer --timeout waits longer",
};

/** A hint in words. */
export function hintText(hint: Hint | undefined): string | undefined {
  if (hint === undefined || typeof hint === "string") return hint;
  const words = hints[hint.name as RemedyName];
  return typeof words === "function" ? words(hint.value ?? "") : words;
}
