import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { commands } from "../../src/cli.ts";
import { runCommand } from "../support/run-command.ts";

const isInstalled = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0;
const scriptFor = async (shell: string) => (await runCommand(`completion ${shell}`)).stdout;

const typed: [line: string, completions: string[]][] = [
  ["orderctl la", ["lag"]],
  ["orderctl dlq ", ["list", "show", "redrive", "purge", "remove-event", "--help"]],
  ["orderctl lag --wat", ["--watch"]],
  ["orderctl serve payment ship", ["shipping"]],
  ["orderctl publish order --format ", ["csv", "json", "ndjson"]],
  ["orderctl trace --from j", ["jaeger"]],
  ["orderctl completion ", ["bash", "zsh", "fish", "--help"]],
  ["orderctl publish order --rate ", []],
  ["orderctl publish order -f ", []],
  ["orderctl serve inventory li", []],
  ["orderctl broker status --ser", []],
];

/** Values written with `=`; fish completes the whole word. */
const joined: [line: string, ofBash: string[], ofFish: string[]][] = [
  [
    "orderctl publish order --format=",
    ["csv", "json", "ndjson"],
    ["--format=csv", "--format=json", "--format=ndjson"],
  ],
  ["orderctl publish order --format=n", ["ndjson"], ["--format=ndjson"]],
];

describe.skipIf(!isInstalled("bash"))("completion in bash", () => {
  // As bash does, which breaks words at each "=".
  const complete = `words=(\${LINE//=/ = }); [ "\${LINE: -1}" = " " ] && words+=("")
    COMP_WORDS=("\${words[@]}"); COMP_CWORD=$((\${#words[@]} - 1)); _orderctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const completionsOf = (script: string, LINE: string) =>
    execFileSync("bash", ["-c", `${script}\n${complete}`], {
      env: { ...process.env, LINE },
      encoding: "utf8",
    })
      .split("\n")
      .filter((word) => word !== "");

  it.each(typed)("of %j is %j", async (line, completions) => {
    expect(completionsOf(await scriptFor("bash"), line).sort()).toEqual([...completions].sort());
  });

  it.each(joined)("of %j is %j", async (line, completions) => {
    expect(completionsOf(await scriptFor("bash"), line)).toEqual(completions);
  });

  it("knows every command", async () => {
    const known = completionsOf(await scriptFor("bash"), "orderctl ");
    expect(known).toEqual(expect.arrayContaining(Object.keys(commands)));
  });
});

describe.skipIf(!isInstalled("fish"))("completion in fish", () => {
  const completionsOf = async (line: string) => {
    const script = `${await scriptFor("fish")}\ncomplete -C '${line}'`;
    // Where nothing else may come, files may.
    const cwd = await mkdtemp(join(tmpdir(), "orderctl-completion-"));
    onTestFinished(() => rm(cwd, { recursive: true }));
    const said = execFileSync("fish", ["--no-config", "-c", script], { encoding: "utf8", cwd });
    const words = said.split("\n").map((each) => each.split("\t")[0]);
    return words.filter((word) => word !== "").sort();
  };

  it.each(typed)("of %j is %j", async (line, completions) => {
    const known = completions.filter((word) => word !== "--help").sort();
    expect(await completionsOf(line)).toEqual(known);
  });

  it.each(joined)("of %j, not %j, is %j", async (line, _, completions) => {
    expect(await completionsOf(line)).toEqual(completions);
  });
});

describe.skipIf(!isInstalled("zsh"))("completion in zsh", () => {
  it("completes a command, an option and the choices of one", async () => {
    const file = join(await mkdtemp(join(tmpdir(), "orderctl-completion-")), "script");
    onTestFinished(() => rm(dirname(file), { recursive: true }));
    await writeFile(file, await scriptFor("zsh"));
    // A shell of its own on a terminal, where the keys are typed; it ends when the line is there.
    const typing = `zmodload zsh/zpty; zpty shell zsh -f -i; zpty -w shell "PS1=; source ${file}; print re''ady"
      zpty -r -m shell seen '*ready*'; zpty -w -n shell $'orderctl publ\\tord\\t--form\\tnd\\t'
      zpty -r -m shell seen '*ndjson*' && print done`;
    expect(execFileSync("zsh", ["-f", "-c", typing], { encoding: "utf8", timeout: 20_000 })).toBe("done\n");
  });
});

describe("completion", () => {
  it("lets zsh read what bash reads", async () => {
    const script = await scriptFor("zsh");
    expect(script).toMatch(/^autoload .*bashcompinit\n_orderctl\(\) \{\n/);
    expect(script).toContain(await scriptFor("bash"));
  });

  it.each([
    "completion",
    "completion tcsh",
  ])("`%s` exits 2 and names the shells that it knows", async (line) => {
    const ran = await runCommand(line);
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toMatch(/bash.+zsh.+fish/);
  });
});
