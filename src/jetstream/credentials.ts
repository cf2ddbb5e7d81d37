import { readFileSync } from "node:fs";
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from "nats";
import { OrderctlError } from "../errors.ts";
import type { ConnectionConfig } from "./connection-config.ts";

/** Who this program is to the broker: how it proves it, and how it may be called in a line of text. */
export type Credentials = { authenticator?: Authenticator; who: string };

/** Throws `usage` for a file that cannot be read or holds something else; its content is not told. */
export function readCredentials(config: ConnectionConfig): Credentials {
  const { credsFile, nkeyFile, user, token, tls } = config;
  if (credsFile) return fromFile(credsAuthenticator, credsFile, "credentials");
  if (nkeyFile) return fromFile(nkeyAuthenticator, nkeyFile, "nkey seed");
  if (user !== undefined) return { who: `user ${JSON.stringify(user)}` };
  if (token !== undefined) return { who: "the bearer of this token" };
  return { who: tls?.certFile ? `the owner of ${tls.certFile}` : "a user without credentials" };
}

type Create = typeof credsAuthenticator | typeof nkeyAuthenticator;

function fromFile(create: Create, file: string, what: string): Credentials {
  const text = readSecretFile(file, what);
  try {
    // As nkey files are written by hand: the client does not take a line break.
    const secret = what === "credentials" ? text : Buffer.from(text.toString().trim());
    const authenticator = create(secret);
    const { jwt, nkey } = { jwt: undefined, nkey: undefined, ...authenticator("nonce") };
    return { authenticator, who: jwt ? userOf(jwt) : `nkey ${nkey}` };
  } catch {
    // What the client says of it may quote it.
    throw new OrderctlError("usage", `the ${what} file ${file} is none`, {
      hint:
        what === "credentials" ? "`nsc generate creds` writes one" : "it holds one line that begins with SU",
    });
  }
}

/** Read without its signature: for texts only, the broker checks it. */
function userOf(jwt: string): string {
  const claims: { name?: unknown; sub?: unknown; exp?: unknown } = JSON.parse(
    Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString(),
  );
  const user = `user ${JSON.stringify(String(claims.name ?? claims.sub))}`;
  const expiresAt = typeof claims.exp === "number" ? new Date(claims.exp * 1000) : undefined;
  if (expiresAt === undefined || expiresAt.getTime() > Date.now()) return user;
  return `${user}, whose credentials expired at ${expiresAt.toISOString()}`;
}

export function readSecretFile(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new OrderctlError("usage", `cannot read the ${what} file ${file}`, { cause });
  }
}
