import type { Remedy } from "../../core/errors.ts";

/** What can help against errors of the broker and of connecting, by name. */
export type RemedyName =
  | "tls_authority"
  | "renew_certificate"
  | "check_clocks"
  | "name_of_certificate"
  | "tls_later"
  | "without_tls"
  | "trusted_certificate"
  | "both_tls_files"
  | "pem_files"
  | "withheld"
  | "loopback_address"
  | "connection_limit"
  | "start_broker"
  | "strange_server"
  | "update_broker"
  | "inbox_prefix"
  | "expected_credentials"
  | "report_fault"
  | "write_credentials"
  | "write_nkey"
  | "token_and_seed"
  | "check_credentials"
  | "other_user"
  | "enable_for_account"
  | "enable_jetstream"
  | "account_limits"
  | "less_storage"
  | "less_replicas"
  | "fewer_consumers"
  | "fewer_streams"
  | "limited_stream"
  | "smaller_stream"
  | "more_ack_pending"
  | "foreign_name"
  | "server_for_each_replica"
  | "one_replica"
  | "remove_stream"
  | "update_cluster"
  | "update_for_limits"
  | "create_topology"
  | "look_at_broker";

/** A remedy for the details of an error; undefined without a name. */
export const remedy = <N extends RemedyName | undefined>(
  name: N,
  value?: string,
): N extends RemedyName ? Remedy : Remedy | undefined =>
  (name === undefined ? undefined : { name, value }) as N extends RemedyName ? Remedy : Remedy | undefined;
