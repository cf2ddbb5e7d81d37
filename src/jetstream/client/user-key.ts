import { nkeys } from "nats";

/** A new key to log in with: the seed proves who one is, the broker knows but the public key. */
export function createUserSeed(): string {
  return new TextDecoder().decode(nkeys.createUser().getSeed());
}

/** Throws where `seed` is none. */
export const publicKeyOf = (seed: string): string =>
  nkeys.fromSeed(new TextEncoder().encode(seed.trim())).getPublicKey();
