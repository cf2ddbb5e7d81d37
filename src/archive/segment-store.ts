/** A stored file, read in parts. */
export type SegmentFile = {
  /** The store's URL and the name in it, as errors quote it. */
  readonly name: string;
  readonly bytes: number;
  /** The bytes from `start` up to, not including, `end`. Rejects with `unavailable` when they cannot be read. */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
};

/**
 * Where segments are kept: immutable files under names with slashes. Every method rejects with `unavailable` and source
 * `store` when the store does not answer, and then says which store and which file.
 */
export type SegmentStore = {
  /** As the manifest names it: `file:///var/lib/orders` or `nats://ORDERS`. */
  readonly url: string;
  /**
   * Resolves once the file would survive a crash of this process or machine. Nobody ever sees a part of it. A file of
   * that name from an attempt before is replaced.
   */
  write(name: string, content: Uint8Array): Promise<void>;
  open(name: string): Promise<SegmentFile>;
  /** Removes a file; does nothing when there is none. */
  remove(name: string): Promise<void>;
  /** The names of all files, in any order. */
  list(): Promise<string[]>;
  close(): Promise<void>;
};
