import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Modules below `src` are named by their path without its ending (`jetstream/lag`), all others as they are written. */
export type Import = { from: string; to: string; typeOnly: boolean };

const source = join(import.meta.dirname, "../src");
/** Paths below `src`. */
export const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => file.replaceAll("\\", "/"));
export const textOf = (file: string) => readFileSync(join(source, file), "utf8");

/** Static imports; the first group is there where all of it is a type, the second is the module. */
export const statement = /^(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?["']([^"']+)["']/gm;
const dynamic = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/** `import { type A, type B }` is a type import as well. */
const onlyTypes = (text: string) => {
  const names =
    /\{([^}]*)\}/
      .exec(text)?.[1]
      ?.split(",")
      .map((name) => name.trim())
      .filter(Boolean) ?? [];
  return names.length > 0 && /^import\s*\{/.test(text) && names.every((name) => name.startsWith("type "));
};

/** Modules that a file writes for others, as `flow init` does, import nothing here. */
const moduleTexts = /`import [\s\S]*?`[,;]$/gm;

export function importsOf(file: string): Import[] {
  const text = textOf(file).replace(moduleTexts, "``");
  const from = file.replace(/\.tsx?$/, "");
  const absolute = (to: string) =>
    to.startsWith(".")
      ? join(from, "..", to)
          .replaceAll("\\", "/")
          .replace(/\.tsx?$/, "")
      : to;
  return [
    ...[...text.matchAll(statement)].map(([whole, type, to = ""]) => ({
      from,
      to: absolute(to),
      typeOnly: type !== undefined || onlyTypes(whole),
    })),
    ...[...text.matchAll(dynamic)].map(([, to = ""]) => ({ from, to: absolute(to), typeOnly: false })),
  ];
}
