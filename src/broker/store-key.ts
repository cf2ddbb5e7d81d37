import { existsSync } from "node:fs";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { OrderctlError, systemCode } from "../core/errors.ts";
import { writePrivateFile } from "../core/private-files.ts";
import { createUserSeed, publicKeyOf } from "../jetstream/client/user-key.ts";

/**
 * The file with the key that clients use to log in to the server of this store: an nkey seed, as `nats --nkey` takes
 * it. The key is kept from one start to the next, so that connected clients can reconnect.
 */
export const keyPath = (storeDir: string): string => join(storeDir, "broker.nk");

/** The path of the key file, or undefined if there is none. */
export const findKey = (storeDir: string): string | undefined =>
  existsSync(keyPath(storeDir)) ? keyPath(storeDir) : undefined;

/**
 * The public part of the store's key, which is created if missing. The caller must hold the store lock. Throws `usage`
 * if the file holds no nkey seed.
 */
export async function openKey(storeDir: string): Promise<string> {
  const path = keyPath(storeDir);
  const seed = await readSeed(path);
  if (seed === undefined) {
    const made = createUserSeed();
    await writePrivateFile(path, `${made}\n`);
    return publicKeyOf(made);
  }
  await chmod(path, 0o600);
  try {
    return publicKeyOf(seed);
  } catch {
    // The library's error is dropped because it may quote the seed.
    throw new OrderctlError("usage", `${path} holds no nkey seed`, {
      hint: "delete it, and the next start makes another",
    });
  }
}

async function readSeed(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}
