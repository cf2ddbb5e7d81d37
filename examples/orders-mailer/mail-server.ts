import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";

export type Mail = { to: string; subject: string; messageId: string };

/** An SMTP server that keeps what it takes, to try the flow with. Port 0 takes a free one. */
export class MailServer {
  readonly mails: Mail[] = [];
  /** Whether it cuts the connection when it has taken a mail, before it says so; once. */
  cutsNext = false;
  /** Called with each mail that it takes. */
  onMail: (mail: Mail) => void = () => {};
  #server: SMTPServer | undefined;
  #port = 0;

  get url(): string {
    return `smtp://127.0.0.1:${this.#port}`;
  }

  /** Where it was before, where it has been open already. */
  async open(port = this.#port): Promise<void> {
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS"],
      onRcptTo: ({ address }, _, done) =>
        done(address.startsWith("nobody@") ? refusal(550, "there is no such mailbox") : undefined),
      onData: async (stream, { envelope }, done) => {
        const source = await text(stream);
        const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, "im").exec(source)?.[1] ?? "";
        const to = envelope.rcptTo.map(({ address }) => address).join();
        const mail = { to, subject: header("subject"), messageId: header("message-id") };
        this.mails.push(mail);
        this.onMail(mail);
        if (!this.cutsNext) return done();
        this.cutsNext = false;
        for (const connection of server.connections) connection.close();
      },
    });
    this.#server = server;
    // What clients do to their connections is not for the console.
    server.on("error", () => {});
    const listening = await new Promise<ReturnType<SMTPServer["listen"]>>((resolve, reject) => {
      server.once("error", reject);
      const socket = server.listen(port, "127.0.0.1", () => resolve(socket));
    });
    this.#port = (listening.address() as AddressInfo).port;
  }

  /** As a server that is switched off: each connection is cut. */
  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of server.connections) connection.close();
    await closed;
  }
}

const refusal = (responseCode: number, message: string) =>
  Object.assign(new Error(message), { responseCode });
