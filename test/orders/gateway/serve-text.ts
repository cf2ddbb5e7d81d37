import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/**
 * Serves a text for each path until the test ends, and 404 for others; answers with the address. Its clock may be ahead
 * of that of whoever asks.
 */
export async function serveText(pages: Record<string, string>, aheadMs = 0): Promise<string> {
  const server = createServer(({ url = "" }, response) => {
    const page = pages[url];
    const date = new Date(Date.now() + aheadMs).toUTCString();
    response.writeHead(page === undefined ? 404 : 200, { date }).end(page);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
