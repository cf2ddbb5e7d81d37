import { readFileSync } from "node:fs";
import {
  type Authenticator,
  credsAuthenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "nats";
import { OrderctlError } from "../../core/errors.ts";
import type { Note } from "../../core/note.ts";
import type { ConnectionConfig } from "./connection-config.ts";
import { type RemedyName, remedy } from "./remedies.ts";

/**
 * How this program logs in to the broker, and what notes and errors call it (`who`). `files` are read at each connect,
 * so that another try may succeed where the last one failed.
 */
export type Credentials = { authenticator?: Authenticator; who: string; files: string[] };

type Proof = { files: string[]; make: () => { authenticator: Authenticator; who: string } };

/**
 * Throws `usage` for a file that cannot be read or does not hold such credentials, without quoting its content. When a
 * file becomes unusable at a later connect, one note says so, and the credentials read before are used.
 */
export function readCredentials(config: ConnectionConfig, note: Note): Credentials {
  const proof = proofOf(config);
  if (!proof) {
    const { certFile } = config.tls ?? {};
    return { who: certFile ? `the owner of ${certFile}` : "a user without credentials", files: [] };
  }
  const { authenticator: first, who } = proof.make();
  let last = first;
  let told = false;
  const authenticator: Authenticator = (nonce) => {
    try {
      const { authenticator: latest } = proof.make();
      const answer = latest(nonce);
      last = latest;
      told = false;
      return answer;
    } catch (thrown) {
      // An exception from an authenticator would end the connection for good.
      if (!told) note(`${OrderctlError.from(thrown).message}; trying with what it held before`);
      told = true;
      return last(nonce);
    }
  };
  return { authenticator, who, files: proof.files };
}

function proofOf(config: ConnectionConfig): Proof | undefined {
  const { credsFile, nkeyFile, userJwt, userSeed, user, password, token } = config;
  if (credsFile) return { files: pathsIn(credsFile), make: () => fromCreds(credsFile) };
  if (nkeyFile) return { files: pathsIn(nkeyFile), make: () => fromNkey(nkeyFile) };
  if (userJwt) {
    const files = filesIn(userJwt, userSeed);
    return { files, make: () => fromJwt(readSecret(userJwt, "JWT"), userSeed) };
  }
  if (user !== undefined) {
    const make = () => ({
      authenticator: usernamePasswordAuthenticator(user, password && readSecret(password, "password")),
      who: `user ${JSON.stringify(user)}`,
    });
    return { files: filesIn(password), make };
  }
  if (token === undefined) return undefined;
  const make = () => ({
    authenticator: tokenAuthenticator(readSecret(token, "token")),
    who: "the bearer of this token",
  });
  return { files: filesIn(token), make };
}

const inline = "data:;base64,";
const inFile = "file://";

const pathsIn = (value: string): string[] => (value.startsWith(inline) ? [] : [value]);

const filesIn = (...values: (string | undefined)[]): string[] =>
  values.filter((value) => value?.startsWith(inFile)).map((value) => value?.slice(inFile.length) ?? "");

function readSecret(value: string, what: string): string {
  if (!value.startsWith(inFile)) return value;
  return readSecretFile(value.slice(inFile.length), what).toString().trim();
}

const readPathOrInline = (value: string, what: string): Buffer =>
  value.startsWith(inline) ? Buffer.from(value.slice(inline.length), "base64") : readSecretFile(value, what);

function fromCreds(place: string) {
  const text = readPathOrInline(place, "credentials");
  return checked({ place, what: "credentials", remedy: "write_credentials" }, () => credsAuthenticator(text));
}

function fromNkey(place: string) {
  const text = readPathOrInline(place, "nkey seed").toString();
  // Files written by hand or by nsc have a line break or other lines around the seed, which the client does not accept.
  const seed = Buffer.from(/\bSU[A-Z2-7]{56}\b/.exec(text)?.[0] ?? text.trim());
  return checked({ place, what: "nkey seed", remedy: "write_nkey" }, () => nkeyAuthenticator(seed));
}

function fromJwt(jwt: string, userSeed: string | undefined) {
  const seed = userSeed === undefined ? undefined : Buffer.from(readSecret(userSeed, "nkey seed"));
  const place = "user_jwt and user_seed";
  return checked({ place, what: "credentials", remedy: "token_and_seed" }, () => jwtAuthenticator(jwt, seed));
}

type Held = { place: string; what: string; remedy: RemedyName };

function checked({ place, what, remedy: name }: Held, create: () => Authenticator) {
  try {
    const authenticator = create();
    const { jwt, nkey } = { jwt: undefined, nkey: undefined, ...authenticator("nonce") };
    return { authenticator, who: jwt ? userOf(jwt) : `nkey ${nkey}` };
  } catch {
    // The client's error may quote the secret, so it is dropped.
    const shown = place.startsWith(inline) ? "the context" : place;
    throw new OrderctlError("usage", `the ${what} file ${shown} is none`, { hint: remedy(name) });
  }
}

/** The user's name in a JWT, for notes and errors. The signature is not checked: the broker does that. */
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
