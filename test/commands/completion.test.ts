import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli.ts";
import { runCommand } from "../run-command.ts";

const isInstalled = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0;
const scriptFor = async (shell: string) => (await runCommand(`completion ${shell}`)).stdout;

const typed: [line: string, completions: string[]][] = [
  ["orderctl la", ["lag"]],
  ["orderctl dlq ", ["list", "show", "redrive", "purge", "--help"]],
  ["orderctl lag --wat", ["--watch"]],
  ["orderctl serve payment ship", ["shipping"]],
  ["orderctl publish order --format ", ["csv", "ndjson"]],
  ["orderctl trace --from j", ["jaeger"]],
  ["orderctl completion ", ["bash", "zsh", "fish", "--help"]],
  ["orderctl publish order --rate ", []],
];

describe.skipIf(!isInstalled("bash"))("completion in bash", () => {
  const complete = `words=($LINE); [ "\${LINE: -1}" = " " ] && words+=("")
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

  it("knows every command", async () => {
    const known = completionsOf(await scriptFor("bash"), "orderctl ");
    expect(known).toEqual(expect.arrayContaining(Object.keys(commands)));
  });
});

describe.skipIf(!isInstalled("fish"))("completion in fish", () => {
  it.each(typed)("of %j has %j", async (line, completions) => {
    const script = `${await scriptFor("fish")}\ncomplete -C '${line}'`;
    const said = execFileSync("fish", ["--no-config", "-c", script], { encoding: "utf8" });
    const words = said.split("\n").map((each) => each.split("\t")[0]);
    // fish knows --help of every command, and shows it where an option is begun.
    expect(words).toEqual(expect.arrayContaining(completions.filter((word) => word !== "--help")));
  });
});

describe("completion", () => {
  it("lets zsh read what bash reads", async () => {
    const script = await scriptFor("zsh");
    expect(script).toMatch(/^autoload .*bashcompinit\n_orderctl\(\) \{\n/);
    expect(script).toContain(await scriptFor("bash"));
  });

  it("exits 2 for another shell, and names those it knows", async () => {
    const ran = await runCommand("completion tcsh");
    expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ran.stderr).toContain("bash, zsh, fish");
  });
});
