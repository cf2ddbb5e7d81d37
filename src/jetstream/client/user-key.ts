import { nkeys } from "nats";

/**
 * A new nkey seed to log in with: whoever has the seed can prove to be this user, and the broker knows only the public
 * key.
 */
export function createUserSeed(): string {
  return new TextDecoder().decode(nkeys.createUser().getSeed());
}

/** Throws when `seed` is no nkey seed. */
export const publicKeyOf = (seed: string): string =>
  nkeys.fromSeed(new TextEncoder().encode(seed.trim())).getPublicKey();
