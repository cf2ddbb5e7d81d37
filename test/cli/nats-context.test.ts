import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readContext, selectedContext } from "../../src/cli/nats-context.ts";
import { withContexts } from "../support/context-files.ts";

it("reads the context that the nats CLI selected", async () => {
  const env = await withContexts(
    { dev: { url: "nats://dev:4222" }, prod: { url: "nats://prod:4222" } },
    "prod",
  );
  expect(readContext(env, selectedContext(env) ?? "")).toEqual({ url: "nats://prod:4222" });
});

it("reads the named one instead", async () => {
  const env = await withContexts({ dev: { url: "nats://dev:4222" }, prod: {} }, "prod");
  expect(readContext(env, "dev")).toEqual({ url: "nats://dev:4222" });
});

it("finds none where none is selected", async () => {
  expect(selectedContext(await withContexts({ dev: {} }))).toBeUndefined();
  expect(selectedContext({ HOME: "/nonexistent" })).toBeUndefined();
});

it("looks in ~/.config where XDG_CONFIG_HOME is not set", async () => {
  const { HOME = "" } = await withContexts({ dev: { user: "alice" } });
  await mkdir(join(HOME, ".config"));
  await rename(join(HOME, "nats"), join(HOME, ".config", "nats"));
  expect(readContext({ HOME }, "dev")).toEqual({ user: "alice" });
});

/** Every key, as the nats CLI writes them. */
const empty = {
  ...{ description: "", url: "", socks_proxy: "", token: "", user: "", password: "", creds: "", nkey: "" },
  ...{ cert: "", key: "", ca: "", nsc: "", jetstream_domain: "", jetstream_api_prefix: "" },
  ...{ jetstream_event_prefix: "", inbox_prefix: "", user_jwt: "", user_seed: "", color_scheme: "" },
  ...{ tls_first: false, windows_cert_store: "", windows_cert_match_by: "", windows_cert_match: "" },
  windows_ca_certs_match: null,
};

it("takes an empty key for none, and needs none that changes only how the nats CLI looks", async () => {
  const looks = { name: "dev", description: "mine", color_scheme: "blue", jetstream_event_prefix: "X" };
  const env = await withContexts({ dev: { ...empty, ...looks, url: "nats://dev" } });
  expect(readContext(env, "dev")).toEqual({ url: "nats://dev" });
});

// They used to be ignored, although they decide where a command goes and as whom.
it.each([
  ["socks_proxy", "socks5://proxy:1080"],
  ["nsc", "nsc://operator/account/user"],
  ["windows_cert_store", "user"],
  ["windows_ca_certs_match", ["ca"]],
  ["a_new_key", "x"],
])("refuses the key %s, which it cannot honour, by its name", async (key, value) => {
  const env = await withContexts({ dev: { ...empty, [key]: value } });
  expect(() => readContext(env, "dev")).toThrow(
    expect.objectContaining({ code: "usage", message: expect.stringMatching(`dev.json: .*"${key}"`) }),
  );
});

it.each([
  [{ creds: "op://vault/creds" }, "creds: orderctl cannot read from op://"],
  [{ nkey: "nsc://operator/account/user" }, "nkey: orderctl cannot read from nsc://"],
  [{ ca: "https://host/ca.pem" }, "ca: orderctl cannot read from https://"],
  [{ password: "env://NOT_SET" }, "password: the variable NOT_SET is not set"],
  [{ token: "data:text/plain,t0ken" }, "token: is no data: in base64"],
  [{ user: "file:///nonexistent/user" }, "user: there is no file:///nonexistent/user"],
  [{ user_seed: "SUA" }, "user_seed needs user_jwt"],
  [
    { jetstream_domain: "hub", jetstream_api_prefix: "JS.API" },
    "jetstream_domain and jetstream_api_prefix exclude each other",
  ],
])("says what it cannot do with %j", async (context, message) => {
  const env = await withContexts({ dev: context });
  expect(() => readContext(env, "dev")).toThrow(`dev.json: ${message}`);
});

it("takes credentials from a variable or from the context itself", async () => {
  const inline = `data:;base64,${Buffer.from("-----BEGIN").toString("base64")}`;
  const env = await withContexts({
    dev: { creds: "env://CREDS", nkey: "file://~/a.nk" },
    data: { creds: inline },
  });
  expect(readContext({ ...env, CREDS: "-----BEGIN" }, "dev")).toEqual({
    creds: inline,
    nkey: `${env.HOME}/a.nk`,
  });
  expect(readContext(env, "data")).toEqual({ creds: inline });
});

it("expands ~ and variables in the names of files", async () => {
  const env = await withContexts({
    dev: {
      creds: "~/a.creds",
      nkey: "$KEYS/b.nk",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a variable looks in a context file
      cert: "${KEYS}/c.pem",
      key: "/no~/k.pem",
      ca: "~other/ca.pem",
    },
  });
  expect(readContext({ ...env, KEYS: "/keys" }, "dev")).toEqual({
    creds: `${env.HOME}/a.creds`,
    nkey: "/keys/b.nk",
    cert: "/keys/c.pem",
    key: "/no~/k.pem",
    ca: "~other/ca.pem",
  });
});

it("fetches secrets from where the context says they are", async () => {
  const env = await withContexts({
    dev: {
      user: "env://DB_USER",
      password: "file://~/password",
      token: `data:;base64,${Buffer.from("t0ken").toString("base64")}`,
    },
    plain: { user: "alice", password: "pa$$word" },
  });
  expect(readContext({ ...env, DB_USER: "alice" }, "dev")).toEqual({
    user: "alice",
    // Read at each connect: it may be another one by then.
    password: `file://${env.HOME}/password`,
    token: "t0ken",
  });
  expect(readContext(env, "plain")).toEqual({ user: "alice", password: "pa$$word" });
});

it("says which context there is not, and where it looked", async () => {
  const env = await withContexts({});
  expect(() => readContext(env, "nope")).toThrow(
    expect.objectContaining({
      code: "usage",
      message: 'there is no nats context "nope"',
      hint: expect.stringContaining(join("nats", "context", "nope.json")),
    }),
  );
});

it.each(["{", "[]", '{"url": 7}'])("says which file is no context: %s", async (text) => {
  const env = await withContexts({ dev: text });
  expect(() => readContext(env, "dev")).toThrow(
    expect.objectContaining({ code: "usage", message: expect.stringContaining("dev.json is no context") }),
  );
});
