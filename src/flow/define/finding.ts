import { existsSync, readFileSync } from "node:fs";
import type protobuf from "protobufjs";

/**
 * What is wrong with a definition. `breaks`: stored events are not read as what they were; `advice` is for what may lead
 * there.
 */
export type Finding = {
  level: "breaks" | "advice";
  what: string;
  /** `file:line`, or the file alone; `null` where it is not known. */
  where: string | null;
  why: string;
};

/** Where a message or an enum, or a field or value of it, is declared; `null` for types that are of no `.proto` file. */
export function placeOf(type: protobuf.Type | protobuf.Enum, id?: number): string | null {
  const { filename } = type;
  if (!filename?.endsWith(".proto") || !existsSync(filename)) return filename ?? null;
  const lines = readFileSync(filename, "utf8").split("\n");
  const declared = new RegExp(`^\\s*(?:message|enum)\\s+${type.name}\\b`);
  const first = lines.findIndex((line) => declared.test(line));
  const withId = new RegExp(`=\\s*${id}\\s*[;[]`);
  const member =
    id === undefined || first < 0 ? -1 : lines.findIndex((line, at) => at >= first && withId.test(line));
  const line = member < 0 ? first : member;
  return line < 0 ? filename : `${filename}:${line + 1}`;
}
