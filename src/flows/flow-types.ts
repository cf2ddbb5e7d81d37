import { OrderctlError } from "../core/errors.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { TypeWriter } from "../flow/define/proto-types.ts";

/**
 * The module with a flow's types, made from its `.proto` files: `defineFlow<Claims>`. Throws `usage` for a flow whose
 * events are not protobuf: those that have a schema know their types.
 */
export function flowTypes({ defined, types }: CompiledFlow): string {
  const { name, key, events } = defined.definition;
  const writer = new TypeWriter([capital(name)]);
  const lines = Object.entries(events).map(([kind, event]) => {
    const type = types[kind];
    if (!type)
      throw new OrderctlError(
        "usage",
        `${kind} is no protobuf message: its types come from its schema, or from you`,
      );
    const status = typeof event === "object" ? event.status : undefined;
    return `    ${kind}: ${writer.nameOf(type, status)};\n`;
  });
  return `// Written by \`orderctl flow types\` from the flow's .proto files.

${writer.text}

export type ${capital(name)} = {
  key: ${JSON.stringify(key)};
  events: {
${lines.join("")}  };
};
`;
}

/** `claim-files` is `ClaimFiles`. */
export const capital = (name: string): string =>
  name.replace(/(?:^|-)([a-z0-9])/g, (_, first: string) => first.toUpperCase());
