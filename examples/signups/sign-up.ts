// What the web application does: it makes the stream, and stores an event for each address that it is given.
import { connect } from "nats";

const connection = await connect({ servers: process.env.NATS_URL ?? "nats://localhost:4222" });
const manager = await connection.jetstreamManager();
await manager.streams.add({ name: "ACCOUNTS", subjects: ["accounts.>"] });
for (const [index, email] of process.argv.slice(2).entries())
  await connection
    .jetstream()
    .publish(`accounts.signed-up.${index % 2 ? "web" : "app"}`, JSON.stringify({ email }));
await connection.close();
