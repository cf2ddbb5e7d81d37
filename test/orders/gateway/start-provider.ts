import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export type Received = { path: string | undefined; headers: IncomingHttpHeaders; body: unknown };

export type Respond = (response: ServerResponse) => void;

/** A provider that answers as it is told and keeps what it was sent; shares no code with the program. */
export async function startProvider(respond: Respond): Promise<{ url: URL; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { url: path, headers } = request;
      received.push({ path, headers, body: JSON.parse(String(Buffer.concat(chunks))) });
      respond(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), received };
}

/** A text is sent as it is, anything else as JSON. */
export const saying =
  (status: number, body: unknown = {}): Respond =>
  (response) =>
    void response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
