import { parseStanzas } from "./apt-sources.ts";
import { runCommand } from "./run-command.ts";

/** Whether a package can run here when it is only unpacked, and if not, why. */
export type Fit = { version: string } | { reason: string };

/**
 * Looks through control stanzas (`apt-cache show`) for a version that needs no newer C library than `libc`
 * (`2.36`) and no other library, since nothing is installed beside it. Programs it depends on for its set-up as
 * a system service do not count.
 */
export async function chooseVersion(stanzas: string, libc: string): Promise<Fit> {
  let reason = "it has no nats-server";
  for (const fields of parseStanzas(stanzas)) {
    const version = fields.get("version");
    if (fields.get("package") !== "nats-server" || version === undefined) continue;
    const missing = await findMissing(fields.get("depends") ?? "", libc);
    if (missing === undefined) return { version };
    reason = `${version} needs ${missing}`;
  }
  return { reason };
}

async function findMissing(depends: string, libc: string): Promise<string | undefined> {
  for (const dependency of depends.split(",").map((part) => part.trim())) {
    const [, name = "", relation] = /^(lib[^\s(:]+)[^(]*(?:\(>= ([^)]+)\))?/.exec(dependency) ?? [];
    if (name === "") continue;
    if (name !== "libc6") return dependency;
    if (relation !== undefined && !(await isAtLeast(libc, relation))) {
      return `libc6 ${relation}, and this machine has ${libc}`;
    }
  }
  return undefined;
}

const isAtLeast = (left: string, right: string): Promise<boolean> =>
  runCommand("dpkg", ["--compare-versions", left, "ge", right]).then(
    () => true,
    () => false,
  );
