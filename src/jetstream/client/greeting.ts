import { createConnection } from "node:net";

/** What a broker says of itself before anybody says who he is; `refusal` where it lets nobody in. */
export type Greeting = { wantsCertificate: boolean; refusal: string | undefined };

const patienceMs = 2000;
/** A broker that lets nobody in says so right after its greeting. */
const refusalMs = 300;

/** The greeting at an address such as `nats://127.0.0.1:4222`; undefined where none comes within 2 s. */
export function readGreeting(server: string): Promise<Greeting | undefined> {
  const { hostname, port } = new URL(server);
  return new Promise((resolve) => {
    const socket = createConnection(Number(port || 4222), hostname.replace(/^\[|\]$/g, ""));
    let received = "";
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parse(received));
    };
    let timer = setTimeout(end, patienceMs);
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      received += chunk;
      if (received.length > 65_536 || parse(received)?.refusal !== undefined) return end();
      if (!received.includes("\r\n")) return;
      clearTimeout(timer);
      timer = setTimeout(end, refusalMs);
    });
    socket.on("error", end);
    socket.on("close", end);
  });
}

function parse(received: string): Greeting | undefined {
  const refusal = /^-ERR '([^']*)'/m.exec(received)?.[1];
  if (refusal !== undefined) return { wantsCertificate: false, refusal };
  try {
    const info = JSON.parse(/^INFO (\{.*\})/.exec(received)?.[1] ?? "");
    return { wantsCertificate: info.tls_verify === true, refusal };
  } catch {
    return undefined;
  }
}
