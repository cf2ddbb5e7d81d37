import { afterAll, beforeAll, expect, it } from "vitest";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await startTestBroker();
  expect((await runCommand(`topology apply -s ${broker.url}`)).exitCode).toBe(0);
});

afterAll(() => broker.stop());

const away = "127.0.0.1:9";

it.each([
  ["status -s nats://127.0.0.1:4222?password=hunter2", 2],
  ["lag -s nats://ann:hunter2@127.0.0.1:9,nats://ann:hunter2@127.0.0.1:10 --timeout 200ms", 3],
  ["lag -s http://127.0.0.1:9/?token=hunter2", 2],
  [`audit --gateway http://${away}/?password=hunter2`, 2],
  [`audit --gateway ftp://ann:hunter2@${away}`, 2],
  [`audit --gateway http://ann:hunter2@${away}`, 3],
  [
    `trace 0af7651916cd43dd8448eb211c80319c --from jaeger --endpoint http://ann:hunter2@${away}/?token=hunter2`,
    3,
  ],
  ["trace 0af7651916cd43dd8448eb211c80319c --from tempo --endpoint ftp://h/?access_token=hunter2", 2],
  ["serve order --http-port 0 --gateway https://h/?api_key=hunter2", 2],
])("%s tells its password to nobody", async (words, expected) => {
  for (const json of ["", " --json"]) {
    const withServer = / -s /.test(words) ? words : `${words} -s ${broker.url}`;
    const { exitCode, stdout, stderr } = await runCommand(withServer + json);
    expect([exitCode, stdout + stderr]).toEqual([expected, expect.not.stringContaining("hunter2")]);
    expect(stderr).not.toBe("");
  }
});

it("where spans are sent is told without what lets one send them", async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://ann:hunter2@${away}/?access_token=hunter2` };
  const serving = serve(broker.url, "payment --json", env);
  await until(() => serving.stdout().includes("\n"));
  const { stdout, stderr } = await serving.stop();
  expect(JSON.parse(stdout).data.spansTo).toContain(away);
  expect(stdout + stderr).not.toContain("hunter2");
});
