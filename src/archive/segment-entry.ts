/** A file of a segment, and what it has to hold. */
export type StoredFile = { name: string; bytes: number; sha256: string };

/** What the manifest says of one segment: a part of the log, from one sequence to another, both included. */
export type SegmentEntry = {
  version: 1;
  /** The URL of the store that holds the files. */
  store: string;
  /** The identity of the stream: in a stream that was created anew the same sequences are other messages. */
  log: string;
  from: number;
  to: number;
  /** The messages in it; those that were deleted from the log before are missing. */
  events: number;
  /** The distinct keys in it. */
  keys: number;
  /** When its first and its last message were stored, Unix µs by the broker's clock. */
  storedFromUs: number;
  storedToUs: number;
  files: {
    /** The messages, as Parquet. */
    data: StoredFile;
    /** The hashes of its keys. */
    keys: StoredFile;
    /** The audit's state after its last message. */
    audit: StoredFile;
  };
  /** SHA-256 of the text of the entry before; `null` for the first. */
  previous: string | null;
};
