import {
  array,
  assert,
  asyncProperty,
  base64String,
  constantFrom,
  record,
  string,
  stringMatching,
  tuple,
} from "fast-check";
import { describe, expect, it } from "vitest";
import { maskFields, maskText } from "../../src/core/mask-secrets.ts";
import { createLog, type LogFields } from "../../src/terminal/log.ts";

const seedText = `SU${"A7".repeat(28)}`;
const webToken = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJYIn0.c2lnbmF0dXJl";

describe("in a text", () => {
  it.each([
    ["lost the broker at nats://ann:hunter2@host:4222", "lost the broker at nats://ann:***@host:4222"],
    ["nats://s3cr3t@host", "nats://***@host"],
    ["nats://ann:p@ss/w:rd@host/x", "nats://ann:***@host/x"],
    ["nats://a:1@h1:4222,nats://b:2@h2,h3", "nats://a:***@h1:4222,nats://b:***@h2,h3"],
    ["nats://ann:a,b@host", "nats://ann:***@host"],
    ["nats://token:@host", "nats://***@host"],
    ["HTTPS://u:p@host", "HTTPS://u:***@host"],
    ["nats://host:4222?password=hunter2 is away", "nats://host:4222?password=*** is away"],
    ["http://h/v1?a=1&access_token=t0p&b=2#secret=x", "http://h/v1?a=1&access_token=***&b=2#secret=***"],
    ["'https://h/?api_key=k3y'", "'https://h/?api_key=***'"],
    [
      "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc,x=1",
      "OTEL_EXPORTER_OTLP_HEADERS=authorization=***,x=1",
    ],
    ["Authorization: Basic YW5uOmh1bnRlcjI=", "Authorization: ***"],
    [`bad seed ${seedText}!`, "bad seed ***!"],
    [`x${seedText}x`, "x***x"],
    [`jwt=${webToken}`, "jwt=***"],
  ])("%s is told as %s", (text, told) => {
    expect(maskText(text)).toBe(told);
  });

  it.each([
    "nats://127.0.0.1:4222",
    "http://127.0.0.1:8080/orders, write to ops@example.com",
    "EUR 7.50",
    "http://h/search?q=orders&limit=5",
    "the authorization is missing",
    "eyJhbGciOi",
  ])("%s stays as it is", (text) => {
    expect(maskText(text)).toBe(text);
  });

  it("nothing is left of a secret where a long text is cut", () => {
    const text = `${"word ".repeat(1635)}nats://ann:hunter2@host`;
    expect(text.slice(0, 8192)).toContain("hun");
    expect(maskText(text)).not.toContain("hun");
    expect(maskText(text).length).toBeLessThanOrEqual(8194);
  });

  it.each([
    "://",
    "eyJ",
    "a://b.c:",
    "?",
    "?token",
    "?token=",
    "authorization: ",
    "eyJa.",
    "S",
    " ",
    "@",
    ",a://",
  ])("a megabyte of %j takes no time worth a pause", (part) => {
    const text = part.repeat(2 ** 20 / part.length);
    const startedAt = performance.now();
    maskText(text);
    maskText(text.slice(0, 8000));
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});

describe("in fields", () => {
  it("whatever has a secret's name is masked at any depth, and all else is kept", () => {
    const fields = {
      password: "a",
      natsToken: "b",
      user_jwt: "c",
      headers: { Authorization: "Bearer d", list: [{ nkey: ["e"], ok: true }, "nats://u:f@h", 7] },
      creds: null,
      order_id: "A-1001",
      credit: 5,
    };
    expect(maskFields(fields)).toEqual({
      password: "***",
      natsToken: "***",
      user_jwt: "***",
      headers: { Authorization: "***", list: [{ nkey: "***", ok: true }, "nats://u:***@h", 7] },
      creds: null,
      order_id: "A-1001",
      credit: 5,
    });
  });

  it("errors and addresses are told as text, and a circle ends", () => {
    const circle: Record<string, unknown> = {
      at: new URL("nats://u:secret1@h"),
      error: new Error("at nats://secret2@h"),
    };
    circle.self = circle;
    const told = JSON.stringify(maskFields(circle));
    expect(told).toContain("Error: at nats://***@h");
    expect(told).not.toContain("secret");
  });
});

// Long enough not to occur by chance.
const password = stringMatching(/^[!-~]{12,30}$/).filter(
  (text) => !text.includes(",") && !text.includes("://"),
);
const encoded = password.map(encodeURIComponent);
const seed = stringMatching(/^S[UAONCX][A-Z2-7]{56}$/);
const jwt = tuple(
  base64String({ minLength: 24 }),
  base64String({ minLength: 24 }),
  base64String({ minLength: 24 }),
).map(
  ([header, body, signature]) =>
    `eyJ${[header, body, signature].map((part) => part.replace(/[+/=]/g, "_")).join(".")}`,
);
const secretName = constantFrom(
  "password",
  "token",
  "creds",
  "nkey",
  "seed",
  "authorization",
  "jwt",
  "NATS_PASSWORD",
  "accessToken",
  "user_seed",
);

/** Each with the text that must not appear, and the value or text that holds it. */
const hidden = tuple(password, encoded, seed, jwt).chain(([raw, percent, nkeySeed, token]) =>
  constantFrom(
    { secret: raw, holds: `nats://ann:${raw}@127.0.0.1:4222` },
    { secret: percent, holds: `tls://${percent}@host/path` },
    { secret: percent, holds: `nats://a:b@h1,nats://ann:${percent}@h2:4222` },
    { secret: nkeySeed, holds: nkeySeed },
    { secret: token, holds: token },
  ),
);

/** No white space at the seam: a word that a secret is glued to must not hide it from the mask. */
const around = tuple(string(), string()).map(([before, after]) => [`${before} `, ` ${after}`] as const);

describe("a secret", () => {
  it("is never written: not from the text, a field, a child, the base, nor deep inside, in either form", async () => {
    const everywhere = asyncProperty(
      record({
        hidden,
        around,
        name: secretName,
        depth: constantFrom(0, 1, 3),
        other: array(string(), { maxLength: 3 }),
      }),
      async ({ hidden: { secret, holds }, around: [before, after], name, depth, other }) => {
        const text = `${before}${holds}${after}`;
        let nested: unknown = { [name]: secret, list: [...other, text], note: text };
        for (let level = 0; level < depth; level++) nested = { inner: nested };
        for (const pretty of [true, false]) {
          let written = "";
          const stream = { write: (line: string) => (written += line) };
          const fields = { base: text, [name]: secret };
          const log = await createLog({ stream, level: "debug", pretty, colour: pretty, fields });
          const child = log.child({ child: text, [name]: secret });
          child.warn(text, { field: text, [name]: secret, nested } as unknown as LogFields);
          expect(written.split("\n")).toHaveLength(2);
          for (const form of [secret, JSON.stringify(secret).slice(1, -1)])
            expect(written).not.toContain(form);
        }
      },
    );
    await assert(everywhere, { numRuns: 300 });
  });
});
