import { createHash } from "node:crypto";
import { nkeys } from "nats";

type Keys = ReturnType<typeof nkeys.createUser>;

const encode = (value: unknown): string =>
  (typeof value === "string" ? Buffer.from(value) : Buffer.from(JSON.stringify(value))).toString("base64url");

/**
 * A JSON Web Token as nats-server reads it:
 * https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
 */
function sign(issuer: Keys, subject: string, claims: { name: string; exp?: number; nats: object }): string {
  const body = { iat: 1_700_000_000, iss: issuer.getPublicKey(), sub: subject, ...claims };
  const jti = createHash("sha256").update(JSON.stringify(body)).digest("hex").toUpperCase();
  const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode({ jti, ...body })}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
}

const unlimited = { subs: -1, data: -1, payload: -1 };
const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

/**
 * An operator with one account, the configuration of a server that trusts it, and credentials for users of the account.
 */
export function createOperator() {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const system = nkeys.createAccount();
  const accountClaims = (limits: object) => ({
    limits: { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1, ...limits },
    type: "account",
    version: 2,
  });
  const accountJwt = (keys: Keys, name: string, limits: object) =>
    sign(operator, keys.getPublicKey(), { name, nats: accountClaims(limits) });
  const operatorClaims = { type: "operator", version: 2, system_account: system.getPublicKey() };
  const config = `
    operator: ${sign(operator, operator.getPublicKey(), { name: "test", nats: operatorClaims })}
    system_account: ${system.getPublicKey()}
    resolver: MEMORY
    resolver_preload: {
      ${account.getPublicKey()}: ${accountJwt(account, "ORDERS", storage)}
      ${system.getPublicKey()}: ${accountJwt(system, "SYS", {})}
    }
  `;
  const credentials = (name: string, { expiresAt }: { expiresAt?: number } = {}) => {
    const user = nkeys.createUser();
    const exp = expiresAt === undefined ? {} : { exp: Math.floor(expiresAt / 1000) };
    const claims = { name, ...exp, nats: { pub: {}, sub: {}, ...unlimited, type: "user", version: 2 } };
    const jwt = sign(account, user.getPublicKey(), claims);
    const seed = Buffer.from(user.getSeed()).toString();
    const file = `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
    return { jwt, seed, file };
  };
  return { config, credentials };
}
