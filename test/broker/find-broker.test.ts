import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { readBinaryVersion } from "../../src/broker/broker-binary.ts";
import { findBroker, findLocalBroker, installBroker } from "../../src/broker/find-broker.ts";
import { pickDebianArchives, readAptSources } from "../../src/broker/install-debian.ts";
import { compareVersions } from "../../src/core/compare-versions.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { fakeServer, type ReleaseMirror, startReleaseMirror } from "../support/release-mirror.ts";

let dir: string;
let mirror: ReleaseMirror;

beforeAll(async () => {
  mirror = await startReleaseMirror("2.99.3");
});

afterAll(() => mirror.close());

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "orderctl-find-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

/** An environment in which nothing can be found, with a mirror that has 2.99.3 and no Debian archive. */
function search(env: NodeJS.ProcessEnv = {}) {
  return {
    env: {
      HOME: dir,
      PATH: join(dir, "bin"),
      XDG_CACHE_HOME: join(dir, "cache"),
      ORDERCTL_RELEASE_MIRROR: mirror.url,
      ...env,
    },
    releases: mirror.releases,
    aptDir: join(dir, "apt"),
  };
}

async function putServer(folder: string, version: string): Promise<string> {
  await mkdir(join(dir, folder), { recursive: true });
  const path = join(dir, folder, "nats-server");
  await writeFile(path, fakeServer(version), { mode: 0o755 });
  return path;
}

const cached = (version: string) => join("cache", "orderctl", "nats-server", version);

describe("findBroker", () => {
  it("prefers the variable to PATH, PATH to the cache, and the cache to a download", async () => {
    const { path: downloaded, source } = await findBroker(search());
    expect({ downloaded, source }).toEqual({
      downloaded: join(dir, cached("2.99.3"), "nats-server"),
      source: "release",
    });
    expect(await findBroker(search())).toEqual({ path: downloaded, version: "2.99.3", source: "cache" });

    const onPath = await putServer("bin", "2.99.2");
    expect(await findBroker(search())).toEqual({ path: onPath, version: "2.99.2", source: "path" });

    const chosen = await putServer("chosen", "2.99.1");
    const explicit = search({ ORDERCTL_NATS_SERVER: chosen });
    expect(await findBroker(explicit)).toEqual({ path: chosen, version: "2.99.1", source: "env" });
  });

  it("takes the newest cached version that runs", async () => {
    await putServer(cached("2.9.10"), "2.9.10");
    await putServer(cached("2.10.2"), "2.10.2");
    await mkdir(join(dir, cached("2.11.0")));
    expect(await findBroker(search())).toMatchObject({ version: "2.10.2", source: "cache" });
  });

  it.each([
    [
      "a folder into which every user may write",
      (bin: string) => chmod(bin, 0o777),
      "may be written by every user",
    ],
    [
      "a file that every user may change",
      (bin: string) => chmod(join(bin, "nats-server"), 0o777),
      "every user",
    ],
  ])("runs no nats-server of %s, and says why", async (_, open, reason) => {
    const trap = join(dir, "ran");
    await putServer("bin", "2.99.2");
    await writeFile(join(dir, "bin", "nats-server"), `#!/bin/sh\ntouch ${trap}\n`);
    await open(join(dir, "bin"));
    const steps: string[] = [];
    const found = await findBroker({ ...search(), onStep: (text) => void steps.push(text) });
    expect(found).toMatchObject({ source: "release" });
    expect(existsSync(trap)).toBe(false);
    expect(steps[0]).toContain(`not used: ${join(dir, "bin", "nats-server")}: `);
    expect(steps[0]).toContain(reason);
  });

  it.each([
    ".",
    "",
    "bin",
  ])("runs no nats-server of the PATH's entry %j, which depends on where one is", async (entry) => {
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    await putServer("bin", "2.99.2");
    process.chdir(entry === "bin" ? dir : join(dir, "bin"));
    const steps: string[] = [];
    const found = await findBroker({
      ...search({ PATH: `${entry}:/nonexistent` }),
      onStep: (text) => void steps.push(text),
    });
    expect(found).toMatchObject({ source: "release" });
    expect(steps[0]).toContain("is wherever one happens to be");
  });

  it.runIf(process.getuid?.() === 0)("runs no nats-server of another user", async () => {
    await chown(await putServer("bin", "2.99.2"), 65_534, 65_534);
    const steps: string[] = [];
    const found = await findBroker({ ...search(), onStep: (text) => void steps.push(text) });
    expect(found).toMatchObject({ source: "release" });
    expect(steps[0]).toContain("belongs to user 65534");
  });

  it("passes over a nats-server on PATH that is too old", async () => {
    await putServer("bin", "2.9.9");
    const newer = await putServer("bin2", "2.9.10");
    const env = { PATH: `${join(dir, "bin")}:${join(dir, "bin2")}` };
    expect(await findBroker(search(env))).toMatchObject({ path: newer, source: "path" });
  });

  it.each([
    ["is not there", "/no/such/nats-server", "not found"],
    ["is another program", "/bin/echo", "does not say which nats-server it is"],
  ])("does not go on silently when the variable names a file that %s", async (_what, path, reason) => {
    await putServer("bin", "2.99.2");
    const error = await findBroker(search({ ORDERCTL_NATS_SERVER: path })).catch(OrderctlError.from);
    expect(error).toMatchObject({ code: "usage", message: expect.stringContaining(reason) });
    expect(error).toHaveProperty("hint", expect.stringContaining("unset it"));
  });

  it("lists every step with its reason when all fail, and what to do", async () => {
    await putServer("bin", "1.4.0");
    const error = await findBroker({ ...search(), releases: {} }).catch(OrderctlError.from);
    expect(error).toMatchObject({ code: "unavailable", exitCode: 3 });
    const lines = String(error instanceof OrderctlError && error.message).split("\n");
    expect(lines).toEqual([
      "no nats-server to be had:",
      `  nats-server on PATH: ${join(dir, "bin", "nats-server")}: version 1.4.0 is older than 2.9.10`,
      `  the cache: ${join(dir, "cache", "orderctl", "nats-server")} is empty`,
      `  the official release: no pinned release for ${process.platform}-${process.arch}`,
      expect.stringMatching(/^ {2}the Debian package: (no Debian archive is configured|.*not )/),
    ]);
    expect(error).toHaveProperty("hint", expect.stringContaining("ORDERCTL_NATS_SERVER"));
  });

  it("ends as interrupted, not as a failed step, when it is aborted", async () => {
    const found = findBroker({ ...search(), signal: AbortSignal.abort() });
    await expect(found).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("findLocalBroker", () => {
  it("fetches nothing", async () => {
    expect(await findLocalBroker(search())).toBeUndefined();
    expect(await readdir(dir)).toEqual([]);
  });
});

describe("installBroker", () => {
  it("puts a nats-server into the cache even when there is one on PATH", async () => {
    await putServer("bin", "2.99.2");
    expect(await installBroker(search())).toMatchObject({ version: "2.99.3", source: "release" });
  });
});

const needed = ["/usr/bin/apt-get", "/usr/bin/gpg", "/usr/share/keyrings/debian-archive-keyring.gpg"];
const hasApt = needed.every((path) => existsSync(path));

describe.runIf(hasApt)("an apt archive", () => {
  /** Answers as an archive whose index says what it likes. */
  const archive = async (answer: (path: string) => string | undefined) => {
    const server = createServer((request, response) => {
      const text = answer(request.url ?? "");
      response.writeHead(text === undefined ? 404 : 200).end(text);
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await mkdir(join(dir, "apt"));
    await writeFile(join(dir, "apt", "sources.list"), `deb http://127.0.0.1:${port}/debian stable main\n`);
    const env = { ...search().env, ORDERCTL_DEBIAN_SUITE: "stable" };
    return findBroker({ ...search(), env }).catch(OrderctlError.from);
  };
  const release = [
    "Origin: Debian",
    "Suite: stable",
    `Date: ${new Date().toUTCString()}`,
    "SHA256:",
    ` ${"0".repeat(64)} 10 main/binary-amd64/Packages`,
    "",
  ].join("\n");

  it.each([
    ["is not signed", (path: string) => (path.endsWith("/Release") ? release : undefined)],
    [
      "is signed by somebody else",
      (path: string) => (path.endsWith("/InRelease") ? signed(dir, release) : undefined),
    ],
  ])("is refused where its index %s, and nothing of it is kept", async (_, answer) => {
    const error = await archive(answer);
    expect(error).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/not (signed|verif)|signature|NO_PUBKEY/i),
    });
    expect(await readdir(dir)).not.toContain("cache");
  });
});

/** By a key that was made just now. */
function signed(home: string, text: string): string {
  const options = ["--homedir", home, "--batch", "--quiet", "--passphrase", ""];
  const gpg = (args: string[], input = "") =>
    execFileSync("gpg", [...options, ...args], { input, encoding: "utf8" });
  gpg(["--quick-generate-key", "mallory@example.com", "ed25519", "sign", "never"]);
  return gpg(["--clearsign"], text);
}

const mirrorReachable = await isDebianReachable();

// Needs a configured Debian mirror that answers: the signatures are Debian's own, so none can be made here.
describe.skipIf(!mirrorReachable)("on Debian", () => {
  it("keeps a suite's version and the newest side by side, each verified by apt", async () => {
    const real = { ...search(), aptDir: undefined, releases: {} };
    const stable = { ...real, env: { ...real.env, ORDERCTL_DEBIAN_SUITE: "stable" } };
    const fromStable = await findBroker(stable);
    const newest = await installBroker(real);
    expect(fromStable.source).toBe("debian");
    expect(compareVersions(newest.version, fromStable.version)).toBeGreaterThanOrEqual(0);
    expect(await readBinaryVersion(fromStable.path)).toBe(fromStable.version);
    expect(await readBinaryVersion(newest.path)).toBe(newest.version);
  });

  it("says which suite the mirror lacks", async () => {
    const env = { ...search().env, ORDERCTL_DEBIAN_SUITE: "no-such-suite" };
    const error = await findBroker({ env }).catch(OrderctlError.from);
    expect(error).toHaveProperty(
      "message",
      expect.stringMatching(/Debian package: no-such-suite: apt-get: /),
    );
  });
});

async function isDebianReachable(): Promise<boolean> {
  const [archive] = pickDebianArchives(await readAptSources("/etc/apt"));
  if (archive === undefined) return false;
  const signal = AbortSignal.timeout(3_000);
  return fetch(`${archive.uri}/dists/stable/InRelease`, { method: "HEAD", signal }).then(
    (response) => response.ok,
    () => false,
  );
}

describe("compareVersions", () => {
  it("orders by number, and a pre-release before its release", () => {
    const versions = ["2.10.0", "2.9.10", "2.12.0", "2.12.0-RC.1", "2.9.9"];
    expect(versions.sort(compareVersions)).toEqual(["2.9.9", "2.9.10", "2.10.0", "2.12.0-RC.1", "2.12.0"]);
  });
});
