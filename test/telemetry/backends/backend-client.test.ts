import { afterEach, describe, expect, it } from "vitest";
import { type Asked, readOrder, readTrace } from "./ask-backend.ts";
import { type Answers, type Backend, jaeger, startBackend, tempo } from "./start-backend.ts";

const closing: Backend[] = [];
afterEach(() => {
  for (const backend of closing.splice(0)) backend.close();
});

async function start(answers: Answers): Promise<Backend> {
  const backend = await startBackend(answers);
  closing.push(backend);
  return backend;
}

const anyPage: Answers = (_url, response) =>
  response.writeHead(200, { "content-type": "text/html" }).end("<!DOCTYPE html><title>Grafana</title>");

describe("the endpoint", () => {
  it.each(["", "/", "/jaeger", "/jaeger/"])("may end with %j", async (path) => {
    const prefix = path.replace(/\/$/, "");
    const { url } = await start(jaeger({ v3: "jaeger-v3-trace.json", prefix }));
    expect(await readTrace({ kind: "jaeger", endpoint: `${url}${path}` })).toHaveLength(6);
  });

  it("needs no scheme", async () => {
    const { url } = await start(tempo({ prefix: "/tempo" }));
    const endpoint = `${url.replace("http://", "")}/tempo`;
    expect(await readTrace({ kind: "tempo", endpoint })).toHaveLength(6);
  });

  it("may bring basic authentication, which no message repeats", async () => {
    const backend = await start((_url, response) => response.writeHead(401).end());
    const endpoint = backend.url.replace("http://", "http://ana:s%3Acr%25t@");
    const failure = await readTrace({ kind: "jaeger", endpoint }).catch((thrown) => thrown);
    expect(failure).toMatchObject({
      code: "denied",
      message: `Jaeger at ${backend.url} wants to know who asks (401)`,
    });
    const [headers] = backend.headers;
    const sent = Buffer.from(headers?.authorization?.replace("Basic ", "") ?? "", "base64").toString();
    expect(sent).toBe("ana:s:cr%t");
  });

  it.each([
    "ftp://user:secret@host",
    "http://user:secret@",
    "nats://secret@127.0.0.1:4222",
  ])("is refused where it is none: %s", async (endpoint) => {
    const failure = await readTrace({ kind: "tempo", endpoint }).catch((thrown) => thrown);
    expect(failure).toMatchObject({ code: "usage" });
    expect(`${failure.message}${failure.hint}`).not.toContain("secret");
  });
});

describe("what goes wrong", () => {
  const failureOf = (asked: Asked) =>
    readTrace(asked).then(
      (spans) => `${spans.length} spans`,
      (thrown) => `${thrown.code}: ${thrown.message.replace(/:\d{4,5}\b/, ":PORT")}`,
    );

  it("names a backend that is not there", async () => {
    const { url, close } = await startBackend(anyPage);
    close();
    expect(await failureOf({ kind: "tempo", endpoint: url })).toMatchInlineSnapshot(
      `"unavailable: Tempo at http://127.0.0.1:PORT cannot be reached (ECONNREFUSED)"`,
    );
  });

  it.each(["jaeger", "tempo"] as const)("tells %s from a page", async (kind) => {
    const { url } = await start(anyPage);
    expect(await failureOf({ kind, endpoint: url })).toMatch(/^bad_message: .* answered with an HTML page/);
    await expect(readOrder({ kind, endpoint: url })).rejects.toMatchObject({ code: "bad_message" });
  });

  it.each([
    ["", "nothing"],
    ["OK\u001b[2J", '"OK?[2J"'],
    ['{"status":"ok"}', "JSON (neither"],
    [
      '{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}}',
      "JSON (resourceSpans[0]",
    ],
    ["null", "JSON ("],
  ])("says what it received where %j is no trace", async (body, received) => {
    const { url } = await start((_url, response) => response.end(body));
    expect(await failureOf({ kind: "jaeger", endpoint: url })).toContain(
      `bad_message: Jaeger at http://127.0.0.1:PORT answered with ${received}`,
    );
  });

  it.each([
    [403, "", "denied: Tempo at http://127.0.0.1:PORT does not allow this (403)"],
    [
      503,
      "ingester not ready\n",
      "unavailable: Tempo at http://127.0.0.1:PORT answered 503: ingester not ready",
    ],
    [
      502,
      "<html>Bad gateway</html>",
      "unavailable: Tempo at http://127.0.0.1:PORT answered 502: an HTML page",
    ],
    [429, "", "unavailable: Tempo at http://127.0.0.1:PORT answered 429: nothing more"],
    [400, "bad id", "bad_message: Tempo at http://127.0.0.1:PORT answered 400: bad id"],
  ])("passes on what a %i says", async (status, body, expected) => {
    const { url } = await start((_url, response) => response.writeHead(status).end(body));
    expect(await failureOf({ kind: "tempo", endpoint: url })).toBe(expected);
  });

  it("gives up in time, also in the middle of an answer", async () => {
    const silent = await start(() => {});
    const stalling = await start((_url, response) => response.write('{"result":'));
    for (const { url } of [silent, stalling]) {
      expect(await failureOf({ kind: "jaeger", endpoint: url, timeoutMs: 100 })).toMatch(
        /^timeout: .* 0\.1 s$/,
      );
    }
  });

  it("ends with the signal's own reason", async () => {
    const stop = new AbortController();
    const { url } = await start(() => stop.abort("SIGINT"));
    await expect(readTrace({ kind: "jaeger", endpoint: url, signal: stop.signal })).rejects.toBe("SIGINT");
  });

  it("stops reading an answer of more than 64 MiB", async () => {
    const chunk = Buffer.alloc(2 ** 20, " ");
    let sent = 0;
    const { url } = await start((_url, response) => {
      const send = () => {
        while (sent < 200 && response.write(chunk)) sent += 1;
      };
      response.on("drain", send);
      send();
    });
    expect(await failureOf({ kind: "jaeger", endpoint: url })).toBe(
      "too_large: Jaeger at http://127.0.0.1:PORT answered with more than 64 MiB",
    );
    expect(sent).toBeLessThan(100);
  });
});
