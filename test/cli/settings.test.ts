import { describe, expect, it } from "vitest";
import { findSettings, type SettingFlags } from "../../src/cli/settings.ts";
import { withContexts } from "../support/context-files.ts";

const stage = { url: "nats://stage:4222", user: "stu", password: "stage-secret" };
const contexts = {
  stage,
  open: { url: "nats://open:4222", jetstream_domain: "hub" },
  nowhere: { user: "ned", password: "n" },
  cert: { url: "nats://stage:4222", cert: "/c.pem", key: "/k.pem" },
  tls: { url: "tls://stage:4222", user: "stu", password: "stage-secret" },
};

type Asked = {
  flags?: SettingFlags;
  env?: NodeJS.ProcessEnv;
  selected?: keyof typeof contexts;
  background?: string;
};

async function settle({ flags = {}, env = {}, selected, background }: Asked) {
  const all = { ...(await withContexts(contexts, selected)), ...env };
  const running =
    background === undefined ? undefined : { url: background, isRunning: true, nkey: undefined };
  const { found, servers, withheld } = findSettings(flags, all, running);
  const { user, password, credsFile, certFile } = found;
  return {
    servers: servers.join(","),
    login: [user?.value, password?.value, credsFile?.value, certFile?.value].filter(Boolean).join(" "),
    withheld: withheld.join(" "),
  };
}

const prod = { NATS_URL: "nats://prod:4222", NATS_USER: "pia", NATS_PASSWORD: "prod-secret" };
const anonymous = { login: "", withheld: "" };
const asStu = { login: "stu stage-secret", withheld: "" };
const asPia = { login: "pia prod-secret", withheld: "" };
const withheld = "NATS_USER NATS_PASSWORD";

const background = { url: "nats://127.0.0.1:4300", isRunning: true, nkey: "/store/broker.nk" };

/** The key of the broker in the background: the address, who else is given, and whether it is sent. */
const keys: [string, Pick<Asked, "flags" | "env">, string | undefined][] = [
  ["nobody named a server", {}, background.nkey],
  ["its address is named", { flags: { server: "127.0.0.1:4300" } }, background.nkey],
  ["… by a variable", { env: { NATS_URL: "nats://127.0.0.1:4300" } }, background.nkey],
  ["another port is named", { flags: { server: "127.0.0.1:4222" } }, undefined],
  ["another name of this machine", { flags: { server: "localhost:4300" } }, undefined],
  ["one more server beside it", { flags: { server: "127.0.0.1:4300,prod:4222" } }, undefined],
  ["somebody else logs in by flag", { flags: { user: "ann" } }, undefined],
  ["… in the address", { flags: { server: "nats://ann:secret@127.0.0.1:4300" } }, undefined],
  ["the environment has credentials for others", { env: { NATS_USER: "pia" } }, background.nkey],
  ["… and names the server as well", { env: { NATS_URL: background.url, NATS_USER: "pia" } }, undefined],
];

it.each(keys)("sends the key of the broker in the background to that alone: %s", async (_, given, key) => {
  const all = { ...(await withContexts(contexts)), ...given.env };
  expect(findSettings(given.flags ?? {}, all, background).found.nkeyFile?.value).toBe(key);
});

it("knows the key of a broker that is not started yet, and does not take its address for a given one", () => {
  const env = { HOME: "/nonexistent" };
  const { found, serverGiven } = findSettings({}, env, {
    ...background,
    url: "nats://127.0.0.1:4222",
    isRunning: false,
  });
  expect([found.nkeyFile?.value, found.server, serverGiven]).toEqual([background.nkey, undefined, false]);
});

/** Where a command goes, and as whom. */
const ways: [string, Asked, object][] = [
  ["nothing given: the default", {}, { servers: "nats://127.0.0.1:4222", ...anonymous }],
  [
    "a broker in the background",
    { background: "nats://127.0.0.1:9" },
    { servers: "nats://127.0.0.1:9", ...anonymous },
  ],
  [
    "a server by flag, none in the background",
    { flags: { server: "nats://x" }, background: "nats://b" },
    { servers: "nats://x" },
  ],
  ["the selected context", { selected: "stage" }, { servers: "nats://stage:4222", ...asStu }],
  ["a context by flag", { flags: { context: "stage" } }, { servers: "nats://stage:4222", ...asStu }],
  ["a context by variable", { env: { NATS_CONTEXT: "stage" } }, { servers: "nats://stage:4222", ...asStu }],
  ["everything by variables", { env: prod }, { servers: "nats://prod:4222", ...asPia }],
  // It used to connect to NATS_URL, with the context's credentials.
  [
    "a context by flag beats NATS_URL",
    { flags: { context: "stage" }, env: { NATS_URL: "nats://prod:4222" } },
    { servers: "nats://stage:4222", ...asStu },
  ],
  [
    "… and the user that goes with it",
    { flags: { context: "stage" }, env: prod },
    { servers: "nats://stage:4222", login: "stu stage-secret", withheld },
  ],
  [
    "… also where the context has none",
    { flags: { context: "open" }, env: prod },
    { servers: "nats://open:4222", login: "", withheld },
  ],
  [
    "a context by flag beats a user by variable",
    { flags: { context: "stage" }, env: { NATS_USER: "pia", NATS_PASSWORD: "p" } },
    { servers: "nats://stage:4222", ...asStu },
  ],
  [
    "a context without a user is given that of the variables",
    { flags: { context: "open" }, env: { NATS_USER: "pia", NATS_PASSWORD: "p" } },
    { servers: "nats://open:4222", login: "pia p" },
  ],
  [
    "a context by flag beats the selected one",
    { flags: { context: "open" }, selected: "stage" },
    { servers: "nats://open:4222", ...anonymous },
  ],
  [
    "a context without an address is one for the default's",
    { flags: { context: "nowhere" }, env: { NATS_URL: "nats://prod:4222" } },
    { servers: "nats://127.0.0.1:4222", login: "ned n" },
  ],
  [
    "NATS_URL beats the selected context",
    { env: prod, selected: "stage" },
    { servers: "nats://prod:4222", ...asPia },
  ],
  [
    "… and nothing of that goes there",
    { env: { NATS_URL: "nats://prod:4222" }, selected: "stage" },
    { servers: "nats://prod:4222", ...anonymous },
  ],
  [
    "a user by variable beats that of the selected context",
    { env: { NATS_USER: "pia", NATS_PASSWORD: "p" }, selected: "stage" },
    { servers: "nats://stage:4222", login: "pia p" },
  ],
  [
    "a password by variable completes the context's user",
    { env: { NATS_PASSWORD: "p" }, selected: "stage" },
    { servers: "nats://stage:4222", login: "stu p" },
  ],
  [
    "a server by flag beats NATS_URL, whose user stays behind",
    { flags: { server: "nats://x" }, env: prod },
    { servers: "nats://x", login: "", withheld },
  ],
  [
    "… but goes to one that NATS_URL names",
    { flags: { server: "prod" }, env: prod },
    { servers: "nats://prod", ...asPia },
  ],
  [
    "… and to any where there is no NATS_URL",
    { flags: { server: "nats://x" }, env: { NATS_CREDS: "/c" } },
    { servers: "nats://x", login: "/c" },
  ],
  [
    "a server by flag beats NATS_CONTEXT and the selection",
    { flags: { server: "nats://x" }, env: { NATS_CONTEXT: "stage" }, selected: "stage" },
    { servers: "nats://x", ...anonymous },
  ],
  [
    "a server by flag that is the context's",
    { flags: { server: "nats://stage", context: "stage" } },
    { servers: "nats://stage", ...asStu },
  ],
  [
    "a server by flag, and a context that has no credentials",
    { flags: { server: "nats://x", context: "open" } },
    { servers: "nats://x", ...anonymous },
  ],
  [
    "a server, a context and other credentials by flag",
    { flags: { server: "nats://x", context: "stage", creds: "/c" } },
    { servers: "nats://x", login: "/c" },
  ],
  [
    "credentials by flag beat all others",
    { flags: { context: "stage", creds: "/c" }, env: prod },
    { login: "/c" },
  ],
  [
    "a password belongs to the user with whom it came",
    { flags: { user: "ann" }, env: { NATS_USER: "pia", NATS_PASSWORD: "p" } },
    { login: "ann" },
  ],
  ["… or to whom it is given", { flags: { user: "ann" }, env: { NATS_PASSWORD: "p" } }, { login: "ann p" }],
  [
    "loopback has several names",
    { flags: { server: "nats://localhost", context: "nowhere" } },
    { login: "ned n" },
  ],
];

describe("where a command goes, and as whom", () => {
  it.each(ways)("%s", async (_, asked, expected) => {
    expect(await settle(asked)).toMatchObject(expected);
  });
});

const refusals: [string, Asked, string][] = [
  [
    "a context's user elsewhere",
    { flags: { server: "nats://x", context: "stage" } },
    "user of context stage is for nats://stage:4222 and is not sent to nats://x",
  ],
  [
    "… by variables",
    { env: { NATS_URL: "nats://x", NATS_CONTEXT: "stage" } },
    "user of context stage is for nats://stage:4222",
  ],
  [
    "… to one of several",
    { flags: { server: "nats://stage,nats://x", context: "stage" } },
    "is not sent to nats://stage,nats://x",
  ],
  [
    "… to another port",
    { flags: { server: "nats://stage:4223", context: "stage" } },
    "is not sent to nats://stage:4223",
  ],
  [
    "… without TLS",
    { flags: { server: "nats://stage", context: "tls" } },
    "is for tls://stage:4222 and is not sent to nats://stage",
  ],
  [
    "a context's certificate elsewhere",
    { flags: { server: "nats://x", context: "cert" } },
    "cert of context cert is for",
  ],
  [
    "two ways to log in",
    { flags: { user: "ann", creds: "/c" } },
    "--creds and --user are two ways to log in",
  ],
  [
    "two users in one list",
    { flags: { server: "nats://a:1@x,nats://b:2@y" } },
    "the addresses of one list are for different users",
  ],
];

it.each(refusals)("refuses %s", async (_, asked, message) => {
  await expect(settle(asked)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(message),
  });
});

it("refuses two ways to log in that one context has, and names its keys", async () => {
  const env = await withContexts({ both: { user: "ann", creds: "/c" } });
  expect(() => findSettings({ context: "both" }, env)).toThrow(
    "context both: creds and user are two ways to log in",
  );
});
