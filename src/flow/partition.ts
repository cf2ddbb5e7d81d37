import { Buffer } from "node:buffer";

/**
 * The partition of a key, from 0: the FNV-1a hash (32 bits, http://www.isthe.com/chongo/tech/comp/fnv/) of its token in
 * subjects, modulo their number. It is what nats-server's subject mapping `{{partition(n, token)}}` makes of that token
 * (`getHashPartition` in server/subject_transform.go). Per key: < 1 µs.
 */
export function partitionOf(token: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(token)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitions;
}
