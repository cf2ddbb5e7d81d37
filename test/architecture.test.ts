import { readFileSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { roles, rows, vendors } from "./import-table.ts";
import { files, type Import, importsOf, statement, textOf } from "./source-imports.ts";

const imports = files.flatMap(importsOf);
const isCommand = ({ from, to }: Import) => from === "cli" && to.endsWith("/command");
const own = imports.filter(({ to }) => files.some((file) => file.replace(/\.tsx?$/, "") === to));
const foreign = imports.filter((each) => !own.includes(each) && !each.to.startsWith("node:"));

const isIn = (module: string, place: string) => module === place || module.startsWith(`${place}/`);
const isInAny = (module: string, places: readonly string[]) => places.some((place) => isIn(module, place));
const rowOf = (module: string) => module.split("/")[0] ?? "";
const show = ({ from, to, typeOnly }: Import) => `${from} ${typeOnly ? "names" : "imports"} ${to}`;

const isAllowed = ({ from, to }: Import): boolean =>
  rowOf(from) === rowOf(to) || isInAny(to, rows[rowOf(from)] ?? []);

const tableOfRows = () =>
  [
    "| folder | role | may import |\n|---|---|---|\n",
    ...Object.entries(rows).map(
      ([row, may]) =>
        `| \`${row}\` | ${roles[row]} | ${may.map((each) => `\`${each}\``).join(" ") || "nothing"} |\n`,
    ),
  ].join("");

describe("the source", () => {
  it("is found, and so are its imports", () => {
    expect(files).toContain("jetstream/publish/publisher.ts");
    expect(imports.length).toBeGreaterThan(files.length);
    expect(own.map(show)).toContain("lag/lag-table names jetstream/streams/lag");
    expect(imports.filter(({ to, from }) => to.startsWith(".") || from === "")).toEqual([]);
  });

  it("has a row in the table for each of its parts, and no row for another", () => {
    const parts = new Set(files.map((file) => rowOf(file.replace(/\.tsx?$/, ""))));
    expect([...parts].filter((part) => !(part in rows))).toEqual([]);
    expect(Object.keys(rows).filter((row) => !parts.has(row))).toEqual([]);
  });

  it("imports only what the table allows", () => {
    expect(own.filter((each) => !isCommand(each) && !isAllowed(each)).map(show)).toEqual([]);
  });

  it("is told in docs/architecture.md as the table has it", () => {
    const file = join(import.meta.dirname, "../docs/architecture.md");
    const text = readFileSync(file, "utf8");
    const told = text.replace(
      /(<!-- imports:[^\n]*-->\n)[\s\S]*(<!-- \/imports -->)/,
      `$1${tableOfRows()}$2`,
    );
    if (process.env.ORDERCTL_WRITE_DOCS) writeFileSync(file, told);
    expect(readFileSync(file, "utf8")).toBe(told);
  });

  it("names the orders in the command tree, and in the library, alone: what is generic is handed a flow", () => {
    const outside = own.filter(({ from, to }) => isIn(to, "orders") && !isIn(from, "orders"));
    expect([...new Set(outside.map(({ from }) => from))]).toEqual(["cli", "index", "testing"]);
  });

  it("has no service that imports another", () => {
    const isHandler = (module: string) => /^orders\/services\/(?!handlers)/.test(module);
    expect(own.filter(({ from, to }) => isHandler(from) && isHandler(to)).map(show)).toEqual([]);
  });

  it("gives the handlers of orders no more of a flow than a handler is given", () => {
    const outside = own.filter(({ from, to }) => isIn(from, "orders/services") && !isIn(to, "orders"));
    expect(outside.length).toBeGreaterThan(0);
    expect(outside.filter(({ to }) => !isInAny(to, ["core", "flow/handler"])).map(show)).toEqual([]);
  });

  it("keeps each vendor in its folder", () => {
    const wrong = foreign.filter(({ from, to }) => {
      const name = to.startsWith("#") ? to : (to.split("/")[0] ?? "");
      const places = vendors[name];
      return places ? !isInAny(from, places) : !to.startsWith("@opentelemetry/");
    });
    expect(wrong.map(show)).toEqual([]);
    const otel = foreign.filter(
      ({ from, to }) => to.startsWith("@opentelemetry/") && !isIn(from, "telemetry"),
    );
    expect(otel.map(show)).toEqual([]);
    expect(foreign.filter(({ to }) => builtinModules.includes(to)).map(show)).toEqual([]);
  });

  it("loads a command, and what is slow to load, only when it is called", () => {
    const text = textOf("cli.ts");
    const eager = imports.filter(isCommand).filter(({ to }) => !text.includes(`import("./${to}.ts")`));
    expect(eager.map(show)).toEqual([]);
    const slow = ["ink", "ora", "fastify", "react"];
    const early = files.flatMap((file) =>
      [...textOf(file).matchAll(statement)]
        .filter(([, type, to = ""]) => type === undefined && slow.includes(to))
        .map(([, , to]) => `${file} ${to}`),
    );
    const apart = early.filter(
      (each) => !/^(terminal\/live-screen|orders\/api\/|collector\/|orders\/gateway\/simulator\/)/.test(each),
    );
    expect(apart).toEqual([]);
  });

  it("ends the process in a main only", () => {
    const exits = files.filter((file) => /\bprocess\.(exit|abort)\(/.test(textOf(file)));
    // The benchmark's child processes have a main of their own.
    expect(exits.sort()).toEqual(["main.ts", "orders/bench/child.ts"]);
    expect(imports.filter(({ to }) => to === "main").map(show)).toEqual([]);
    expect(imports.filter(({ to, from }) => to === "cli" && from !== "main").map(show)).toEqual([]);
  });

  it("writes to the terminal in terminal.ts only", () => {
    const writes = files.filter((file) => /\bconsole\.|\bprocess\.std(out|err)\b/.test(textOf(file)));
    expect(writes).toEqual(["main.ts"]);
  });
});

describe("the lock file", () => {
  type Package = {
    version?: string;
    resolved?: string;
    link?: true;
    optionalDependencies?: Record<string, string>;
  };
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, "../package-lock.json"), "utf8"));
  const packages: Record<string, Package> = lock.packages;

  it("has every platform's package, so that npm ci works on all of them", () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter(
          (name) => !(`${path}/node_modules/${name}` in packages) && !(`node_modules/${name}` in packages),
        )
        .map((name) => `${path} wants ${name}`),
    );
    expect(Object.values(packages).some((each) => each.optionalDependencies)).toBe(true);
    expect(missing).toEqual([]);
  });

  it("names no registry: everybody's own is asked", () => {
    const named = Object.entries(packages).filter(
      ([, { resolved, link }]) => resolved !== undefined && !link,
    );
    expect(named).toEqual([]);
  });
});
