import { Bank } from "./bank.ts";

const bank = new Bank();
await bank.open(8085);
console.log(`the bank listens at ${bank.url}; curl -X PUT ${bank.url}/mode -d away`);
