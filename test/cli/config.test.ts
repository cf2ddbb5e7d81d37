import { describe, expect, it } from "vitest";
import { type ConnectionFlags, resolveConfig } from "../../src/cli/config.ts";
import { withContexts } from "../support/context-files.ts";

const connection = (flags: ConnectionFlags = {}, env: NodeJS.ProcessEnv = {}) =>
  resolveConfig(flags, { HOME: "/nonexistent", ...env }).connection;

describe("the server", () => {
  it("is the local one unless somebody names another", () => {
    expect(resolveConfig({}, { HOME: "/nonexistent" })).toMatchObject({
      serverGiven: false,
      connection: { servers: ["nats://127.0.0.1:4222"] },
    });
  });

  it("comes from the flag, else from NATS_URL, else from the selected context", async () => {
    const env = await withContexts({ here: { url: "nats://context:4222" } }, "here");
    expect(connection({}, env).servers).toEqual(["nats://context:4222"]);
    const both = { ...env, NATS_URL: "nats://env:4222" };
    expect(connection({}, both).servers).toEqual(["nats://env:4222"]);
    expect(connection({ server: "nats://flag:4222" }, both).servers).toEqual(["nats://flag:4222"]);
    expect(resolveConfig({}, env).serverGiven).toBe(true);
  });

  it("may be several", () => {
    expect(connection({ server: "nats://a:4222, b:4223 ,nats://c" }).servers).toEqual([
      "nats://a:4222",
      "nats://b:4223",
      "nats://c",
    ]);
  });

  // An empty NATS_URL used to be taken for an address.
  it("is not reached by another protocol", () => {
    for (const server of ["http://127.0.0.1:4222", "ws://127.0.0.1"])
      expect(() => resolveConfig({ server }, {})).toThrow(`"${server}" is not the address of a server`);
  });

  it("is not named by an empty variable", () => {
    expect(connection({}, { NATS_URL: "", NATS_USER: "", NATS_CONTEXT: "" })).toMatchObject({
      servers: ["nats://127.0.0.1:4222"],
      user: undefined,
    });
  });

  it.each(["", " , ", "nats://", "nats://h:99999", "two words"])("is not %j", (server) => {
    expect(() => connection({ server })).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

describe("credentials in the server's address", () => {
  // The client ignores them, so they used to be lost.
  it.each([
    ["nats://alice:s3cret@host:4222", { user: "alice", password: "s3cret" }],
    ["alice:s3cret@host:4222", { user: "alice", password: "s3cret" }],
    ["nats://alice:p%40ss@host:4222", { user: "alice", password: "p@ss" }],
    ["nats://alice:p@ss:w%@host:4222", { user: "alice", password: "p@ss:w%" }],
    ["nats://t0ken@host:4222", { token: "t0ken" }],
  ])("are used and taken out of it: %s", (server, credentials) => {
    expect(connection({ server })).toMatchObject({ servers: ["nats://host:4222"], ...credentials });
  });

  it("give way to flags and win over the environment", () => {
    const server = "nats://alice:s3cret@host";
    expect(connection({ server, user: "bob" }).user).toBe("bob");
    expect(connection({ server }, { NATS_USER: "carol", NATS_PASSWORD: "x" })).toMatchObject({
      user: "alice",
      password: "s3cret",
    });
  });

  it("are not told when the address is none", () => {
    const secret = (server: string) => {
      try {
        connection({ server });
      } catch (error) {
        return JSON.stringify(error) + String(error);
      }
      throw new Error(`${server} was taken`);
    };
    expect(secret("nats://alice:s3cret@host:99999")).not.toMatch(/alice|s3cret/);
    expect(secret("nats://alice:s3@cret@two words")).not.toMatch(/alice|s3|cret/);
  });
});

describe("every setting", () => {
  it.each([
    ["user", "user", "NATS_USER"],
    ["password", "password", "NATS_PASSWORD"],
    ["token", "token", "NATS_TOKEN"],
    ["creds", "credsFile", "NATS_CREDS"],
    ["nkey", "nkeyFile", "NATS_NKEY"],
  ] as const)("--%s wins over its variable, which wins over the context", async (flag, setting, variable) => {
    const env = await withContexts({ here: { [flag]: "/context" } }, "here");
    expect(connection({}, env)[setting]).toBe("/context");
    expect(connection({}, { ...env, [variable]: "/env" })[setting]).toBe("/env");
    expect(connection({ [flag]: "/flag" }, { ...env, [variable]: "/env" })[setting]).toBe("/flag");
  });

  it("takes the files for TLS from their flags, variables and context keys", async () => {
    const env = await withContexts({ here: { cert: "/c.pem", key: "/k.pem", ca: "/ca.pem" } });
    const tls = (more: NodeJS.ProcessEnv) =>
      connection({ context: "here", tlsca: "/flag.pem" }, { ...env, ...more }).tls;
    const files = { certFile: "/c.pem", keyFile: "/k.pem", caFile: "/flag.pem" };
    expect(tls({})).toEqual(files);
    // A key without its certificate is of no use.
    expect(tls({ NATS_CERT: "/env.pem", NATS_KEY: "/env-key.pem" })).toEqual(files);
    expect(connection({}, { NATS_CERT: "/env.pem", NATS_KEY: "/env-key.pem" }).tls).toEqual({
      certFile: "/env.pem",
      keyFile: "/env-key.pem",
    });
    expect(connection().tls).toBeUndefined();
  });

  it("has its default: 30 s to connect, 1 s between tries, 5 s for an answer", () => {
    expect(connection()).toMatchObject({ connectTimeoutMs: 30_000, reconnectWaitMs: 1000, timeoutMs: 5000 });
  });
});
