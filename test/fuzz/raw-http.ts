import { connect } from "node:net";

export type RawRequest = {
  method?: string;
  path: string;
  /** As they go over the wire: several of one name, bytes that no client would send. */
  headers?: readonly (readonly [string, string])[];
  body?: Buffer | string | undefined;
};

export type RawAnswer = { status: number; headers: Map<string, string>; body: string };

const deadlineMs = 10_000;

/**
 * One request on a connection of its own, written byte by byte as given: HTTP clients refuse to send most of what
 * strangers send. Rejects where nothing is answered within 10 s, or something that is no HTTP.
 */
export async function exchange(url: string, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const bytes = encode(request);
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`no end within ${deadlineMs} ms`)));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
    // The rest of a body that was refused early has nowhere to go.
    socket.on("error", (error) => (chunks.length > 0 ? undefined : reject(error)));
  });
  return decode(text);
}

function encode({ method = "POST", path, headers = [], body = "" }: RawRequest): Buffer {
  const payload = Buffer.from(body);
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const own: [string, string][] = [["connection", "close"]];
  if (!given.has("host")) own.push(["host", "localhost"]);
  if (!given.has("content-length") && !given.has("transfer-encoding") && payload.length > 0)
    own.push(["content-length", String(payload.length)]);
  const lines = [...own, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`), payload]);
}

function decode(text: string): RawAnswer {
  // An interim answer comes before the real one.
  const rest = text.replace(/^HTTP\/1\.1 100 [^\r]*\r\n\r\n/, "");
  const end = rest.indexOf("\r\n\r\n");
  const [first = "", ...lines] = rest.slice(0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? Number.NaN);
  if (end < 0 || Number.isNaN(status)) throw new Error(`no answer in HTTP: ${JSON.stringify(text)}`);
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
  );
  // What could be read as a second request was answered as well.
  const length = Number(headers.get("content-length") ?? Number.POSITIVE_INFINITY);
  const body = Buffer.from(rest.slice(end + 4)).subarray(0, length);
  return { status, headers, body: body.toString() };
}
