import { Command, type Option } from "commander";
import fc from "fast-check";
import { commands } from "../../src/cli.ts";
import { orderProgram } from "../../src/orders/program.ts";
import { hostileText } from "./hostile-values.ts";

/** A command that does something, with the words that name it. */
type Leaf = { words: string[]; command: Command };

/** Acts on nothing: only the tree is of interest. */
const noAct = { offline: () => async () => {}, online: () => async () => {} };

async function readLeaves(): Promise<Leaf[]> {
  const leaves: Leaf[] = [];
  const visit = (command: Command, words: string[]) => {
    if (command.commands.length === 0) leaves.push({ words, command });
    for (const each of command.commands) visit(each, [...words, each.name()]);
  };
  for (const [name, { load }] of Object.entries(commands)) {
    const command = new Command(name);
    (await load(orderProgram))(command, noAct, orderProgram);
    visit(command, [name]);
  }
  return leaves;
}

/** A few values that most parsers take, so that a command gets further than its flags. */
const plausible = fc.constantFrom(
  "1",
  "2",
  "0",
  "10ms",
  "1s",
  "50%",
  "ORDERS",
  "order-1",
  "payment",
  "MUG-001=5",
  "file.ndjson",
  "http://127.0.0.1:1",
  "http://127.0.0.1:1/x?y#z",
  "2026-01-31T09:00:00Z",
);

const extreme = fc.constantFrom(
  "-1",
  "1e999",
  "99999999999999999999d",
  "999999999999h",
  "100000d",
  "9007199254740991",
  "999999999999k",
  "-",
  "--",
  "-x",
  "--json",
  "/dev/null",
  "/nonexistent/file",
  ".",
  "nats://",
  "nats://:0",
  "nats://[::1]:1",
  "tls://127.0.0.1:1",
  "ws://127.0.0.1:1",
  "file:///etc/passwd",
  "http://",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999999999+23:59",
);

const value = fc.oneof(plausible, extreme, hostileText);

/** Other tests run meanwhile and count on nobody listening on port 1; root may. A free one is taken instead of any. */
const takingNoPort = (text: string): string => (Number(text) >= 1 && Number(text) < 65_536 ? "0" : text);

const optionWords = (option: Option): fc.Arbitrary<string[]> => {
  const flag = fc.constantFrom(...[option.long, option.short].filter((each) => each != null));
  if (!option.required && !option.optional) return flag.map((name) => [name]);
  const choices = option.argChoices?.length ? fc.constantFrom(...option.argChoices) : value;
  const any = fc.oneof(value, choices);
  return fc
    .tuple(flag, option.long?.endsWith("port") ? any.map(takingNoPort) : any, fc.integer({ min: 0, max: 9 }))
    .map(([name, text, how]) => (how === 0 ? [name] : how < 3 ? [`${name}=${text}`] : [name, text]));
};

const stray: fc.Arbitrary<string[]> = fc.oneof(
  fc
    .constantFrom("--", "--json", "--help", "-h", "--no-json", "--unknown", "--unknown=1", "-zzz", "")
    .map((word) => [word]),
  value.map((text) => [text]),
  value.map((text) => [`--${text}`]),
);

/** Words after a command: its own arguments and options in any order, some of them twice, and what belongs nowhere. */
function wordsOf({ words, command }: Leaf): fc.Arbitrary<string[]> {
  const given = command.registeredArguments.map(({ argChoices }) =>
    argChoices ? fc.oneof(fc.constantFrom(...argChoices), value) : value,
  );
  const options = command.options.length > 0 ? [fc.oneof(...command.options.map(optionWords))] : [];
  const some = fc.array(fc.oneof(...options, stray), { maxLength: 3 });
  const own = options.length > 0 ? fc.array(fc.oneof(...options), { maxLength: 4 }) : fc.constant([]);
  return fc
    .tuple(fc.tuple(...given), own, fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, some))
    .map(([args, flags, rest]) => [...words, ...args, ...flags.flat(), ...rest.flat()]);
}

/** Command lines made from the command tree itself, so that a new command or flag is among them by itself. */
export async function commandLines(): Promise<fc.Arbitrary<string[]>> {
  const leaves = await readLeaves();
  const astray = fc.array(fc.oneof(stray, fc.constantFrom(...leaves.map(({ words }) => words))), {
    maxLength: 4,
  });
  return fc.oneof(...leaves.map((leaf) => ({ weight: 4, arbitrary: wordsOf(leaf) })), {
    weight: 4,
    arbitrary: astray.map((words) => words.flat()),
  });
}
