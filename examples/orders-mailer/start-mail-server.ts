import { MailServer } from "./mail-server.ts";

const server = new MailServer();
await server.open(1025);
console.log(`mails are taken at ${server.url}, and shown here`);
server.onMail = ({ to, subject }) => console.log(`${to}: ${subject}`);
