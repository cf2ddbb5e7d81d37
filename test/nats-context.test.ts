import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readContext, selectedContext } from "../src/nats-context.ts";
import { withContexts } from "./context-files.ts";

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

it("ignores keys it does not know, and empty ones", async () => {
  const env = await withContexts({
    dev: { description: "mine", url: "nats://dev", socks_proxy: "", token: "" },
  });
  expect(readContext(env, "dev")).toMatchObject({ url: "nats://dev" });
  expect(readContext(env, "dev")).not.toHaveProperty("socks_proxy");
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
  await writeFile(join(String(env.HOME), "password"), "s3cret\n");
  expect(readContext({ ...env, DB_USER: "alice" }, "dev")).toEqual({
    user: "alice",
    password: "s3cret",
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
