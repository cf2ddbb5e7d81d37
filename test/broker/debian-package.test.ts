import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { chooseVersion } from "../../src/broker/install-debian.ts";

const hasDpkg = (() => {
  try {
    execFileSync("dpkg", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

const stanza = (version: string, depends: string) =>
  `Package: nats-server\nVersion: ${version}\nDepends: ${depends}\nDescription: server\n`;

// Versions are compared by dpkg itself, which only Debian and its kin have.
describe.skipIf(!hasDpkg)("chooseVersion", () => {
  it.each([
    ["2.36", { version: "2.15.1-1" }],
    ["2.34", { version: "2.15.1-1" }],
    ["2.31", { reason: "2.15.1-1 needs libc6 2.34, and this machine has 2.31" }],
    ["2.4", { reason: "2.15.1-1 needs libc6 2.34, and this machine has 2.4" }],
  ])("judges a package by the machine's C library %s", async (libc, fit) => {
    const depends = "systemd | systemd-standalone-sysusers | systemd-sysusers, libc6 (>= 2.34)";
    expect(await chooseVersion(stanza("2.15.1-1", depends), libc)).toEqual(fit);
  });

  it("takes the first version that fits", async () => {
    const stanzas = [
      stanza("2.15.1-1", "libc6 (>= 2.41)"),
      stanza("2.10.27-1+b2", "libc6 (>= 2.34), adduser"),
      stanza("2.9.10-1", "libc6 (>= 2.34), adduser"),
    ].join("\n");
    expect(await chooseVersion(stanzas, "2.36")).toEqual({ version: "2.10.27-1+b2" });
  });

  it("refuses a package that needs another library, since nothing is installed beside it", async () => {
    const fit = await chooseVersion(stanza("3.0.0-1", "libc6 (>= 2.34), libsodium23 (>= 1.0)"), "2.36");
    expect(fit).toEqual({ reason: "3.0.0-1 needs libsodium23 (>= 1.0)" });
  });

  it("says so when a suite has no such package", async () => {
    expect(await chooseVersion("", "2.36")).toEqual({ reason: "it has no nats-server" });
  });
});
