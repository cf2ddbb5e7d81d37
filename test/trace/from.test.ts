import { describe, expect, it } from "vitest";
import { encodeOtlpJson } from "../../src/telemetry/otlp/otlp-json.ts";
import { runCommand } from "../support/run-command.ts";
import { startBackend } from "../telemetry/backends/start-backend.ts";
import { checkoutOfManySpans } from "./samples.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const nobody = ["-s", "127.0.0.1:1"];

describe("trace --from", () => {
  it("needs no broker", async () => {
    const body = JSON.stringify({ trace: encodeOtlpJson(checkoutOfManySpans(50)) });
    const { url, close } = await startBackend((_url, response) =>
      response.writeHead(200, { "content-type": "application/json" }).end(body),
    );
    const argv = ["trace", traceId, "--from", "tempo", "--endpoint", url, ...nobody];
    const { exitCode, stdout, stderr } = await runCommand(argv, { columns: 80 });
    close();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^trace 4bf92f3577b34da6a3ce929d0e0e4736 470 ms, 50 spans/);
    expect(stderr).toContain("the spans alone, without the log");
  });

  it("shows what can be read of an answer, and says what cannot", async () => {
    const document = encodeOtlpJson(
      checkoutOfManySpans(50).map((one, n) => (n === 9 ? { ...one, startNs: 0n } : one)),
    );
    const { url, close } = await startBackend((_url, response) =>
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ trace: document })),
    );
    const argv = ["trace", traceId, "--from", "tempo", "--endpoint", url, ...nobody];
    const { exitCode, stdout } = await runCommand(argv, { columns: 80 });
    const [line] = (await runCommand([...argv, "--json"])).lines();
    close();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^trace 4bf92f3577b34da6a3ce929d0e0e4736 470 ms, 49 spans/);
    expect(stdout).toMatch(/\n1 span that cannot be read is left out:\s+resourceSpans\[/);
    expect(line?.data).toMatchObject({ unreadable: { spans: 1, reasons: [expect.any(String)] } });
  });

  it("says where it looked for what nobody knows", async () => {
    const { url, close } = await startBackend((_url, response) =>
      response.writeHead(200, { "content-type": "application/json" }).end('{"trace":{}}'),
    );
    const argv = ["trace", traceId, "--from", "tempo", "--endpoint", url, ...nobody];
    const { exitCode, stderr } = await runCommand(argv);
    close();
    expect(exitCode).toBe(4);
    expect(stderr).toContain(`tempo at ${url} knows no span of trace ${traceId}, and no broker was asked`);
  });

  it("is unavailable where the backend cannot be reached", async () => {
    const argv = ["trace", traceId, "--from", "jaeger", "--endpoint", "http://127.0.0.1:1", ...nobody];
    const { exitCode, stderr } = await runCommand(argv);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("127.0.0.1:1");
  });

  it("is one of the backends that it knows, and not together with what it cannot be", async () => {
    for (const flags of ["--from zipkin", "--from jaeger --follow", "--otlp --json", "--otlp --follow"]) {
      const { exitCode } = await runCommand(["trace", traceId, ...flags.split(" ")]);
      expect({ flags, exitCode }).toEqual({ flags, exitCode: 2 });
    }
  });
});
