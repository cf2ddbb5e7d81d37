import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  installFromRelease,
  type PinnedRelease,
  pinnedReleases,
  type ReleaseInstall,
  type ReleaseTable,
} from "../../src/broker/install-release.ts";
import { type ReleaseMirror, startReleaseMirror } from "../support/release-mirror.ts";

let cacheDir: string;
let mirror: ReleaseMirror | undefined;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "orderctl-cache-"));
});

afterEach(async () => {
  mirror?.close();
  mirror = undefined;
  await rm(cacheDir, { recursive: true, force: true });
});

const install = ({ url, releases }: ReleaseMirror, more: Partial<ReleaseInstall> = {}) =>
  installFromRelease({ cacheDir, releases, mirror: url, onStep: () => undefined, ...more });

describe("installFromRelease", () => {
  it("downloads, verifies, unpacks and proves the pinned release, once", async () => {
    mirror = await startReleaseMirror("2.99.0");
    const binary = await install(mirror);
    const path = join(cacheDir, "2.99.0", "nats-server");
    expect(binary).toEqual({ path, version: "2.99.0", source: "release" });
    expect((await stat(path)).mode & 0o111).toBe(0o111);
    expect(await readdir(cacheDir)).toEqual(["2.99.0"]);

    await install(mirror);
    expect(mirror.requests).toEqual(["/v2.99.0/nats-server-v2.99.0-test.tar.gz"]);
  });

  it("refuses an archive that is not the pinned one, and keeps nothing of it", async () => {
    mirror = await startReleaseMirror("2.99.0");
    const wrong = withChecksum(mirror.releases, "0".repeat(64));
    await expect(install(mirror, { releases: wrong })).rejects.toThrow(/not the pinned 0000/);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("refuses a right archive whose program is too old", async () => {
    mirror = await startReleaseMirror("2.9.9");
    await expect(install(mirror)).rejects.toThrow("version 2.9.9 is older than 2.9.10");
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("refuses a body that breaks off", async () => {
    mirror = await startReleaseMirror("2.99.0", (response, archive) => {
      response.setHeader("content-length", archive.length);
      response.write(archive.subarray(0, 500), () => response.destroy());
    });
    await expect(install(mirror)).rejects.toThrow(mirror.url);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("refuses a body that ends too soon without saying so", async () => {
    mirror = await startReleaseMirror("2.99.0", (response, archive) =>
      response.end(archive.subarray(0, 500)),
    );
    await expect(install(mirror)).rejects.toThrow(/SHA-256/);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("names the status of an HTTP error", async () => {
    mirror = await startReleaseMirror("2.99.0", (response) => response.writeHead(404).end());
    await expect(install(mirror)).rejects.toThrow(/v2\.99\.0\/nats-server-.*: HTTP 404/);
  });

  it("gives up on a mirror that stalls", async () => {
    mirror = await startReleaseMirror("2.99.0", (response, archive) =>
      response.write(archive.subarray(0, 500)),
    );
    await expect(install(mirror, { stallMs: 100 })).rejects.toThrow("nothing arrived for 100 ms");
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it.each([
    ["another host", "http://localhost:1/other", "redirects to another host, localhost:1"],
    ["a file", "file:///etc/passwd", "is no http or https address"],
    ["what is no address", "http://[", "redirects to what is no address"],
    ["a user of its own", "http://ann:secret@127.0.0.1/", "is no http or https address without user"],
  ])("follows no redirect to %s", async (_, location, reason) => {
    mirror = await startReleaseMirror("2.99.0", (response) => response.writeHead(302, { location }).end());
    await expect(install(mirror)).rejects.toThrow(reason);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("follows a redirect on the same host, and not for ever", async () => {
    mirror = await startReleaseMirror("2.99.0", (response, archive) => {
      if (response.req.url === "/moved") response.end(archive);
      else response.writeHead(302, { location: "/moved" }).end();
    });
    expect(await install(mirror)).toMatchObject({ version: "2.99.0" });
    await rm(join(cacheDir, "2.99.0"), { recursive: true });
    mirror.close();
    mirror = await startReleaseMirror("2.99.0", (response) =>
      response.writeHead(302, { location: "/" }).end(),
    );
    await expect(install(mirror)).rejects.toThrow("redirects more than 5 times");
  });

  it.each([
    ["says so", { "content-length": 2 ** 31 }],
    ["does not say so", {}],
  ])("refuses a body that is far too long and %s", async (_, headers) => {
    mirror = await startReleaseMirror("2.99.0", (response) => {
      const chunk = Buffer.alloc(2 ** 20);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once("drain", more);
      };
      response.writeHead(200, headers);
      more();
    });
    await expect(install(mirror)).rejects.toThrow("has more than 64 MiB");
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("tells nobody the password in the address of a mirror", async () => {
    mirror = await startReleaseMirror("2.99.0");
    const error = await install(mirror, { mirror: mirror.url.replace("//", "//ann:secret@") }).catch(String);
    expect(error).toContain("without user and password");
    expect(error).not.toContain("secret");
  });

  it("runs nothing out of a cache into which others may write", async () => {
    mirror = await startReleaseMirror("2.99.0");
    const trap = join(cacheDir, "ran");
    await mkdir(join(cacheDir, "2.99.0"));
    await writeFile(join(cacheDir, "2.99.0", "nats-server"), `#!/bin/sh\ntouch ${trap}\n`, { mode: 0o755 });
    await chmod(cacheDir, 0o777);
    await expect(install(mirror)).rejects.toThrow(`${cacheDir} may be written by other users`);
    expect(await readdir(cacheDir)).toEqual(["2.99.0"]);
  });

  it("leaves no files when it is interrupted in the middle of the download", async () => {
    const controller = new AbortController();
    mirror = await startReleaseMirror("2.99.0", (response, archive) =>
      response.write(archive.subarray(0, 500), () => controller.abort()),
    );
    await expect(install(mirror, { signal: controller.signal })).rejects.toThrow(/abort/);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it("lets several processes install at once: all end with the same binary", async () => {
    const source = await startReleaseMirror("2.99.0");
    mirror = source;
    const binaries = await Promise.all([1, 2, 3, 4].map(() => install(source)));
    expect(new Set(binaries.map(({ path }) => path))).toEqual(
      new Set([join(cacheDir, "2.99.0", "nats-server")]),
    );
    expect(await readdir(cacheDir)).toEqual(["2.99.0"]);
  });

  it("replaces a cached binary that does not run", async () => {
    mirror = await startReleaseMirror("2.99.0");
    await mkdir(join(cacheDir, "2.99.0"));
    await writeFile(join(cacheDir, "2.99.0", "nats-server"), "half a file");
    expect(await install(mirror)).toMatchObject({ version: "2.99.0" });
  });

  it("clears away what a killed process left, but not the work of a running one", async () => {
    mirror = await startReleaseMirror("2.99.0");
    await mkdir(join(cacheDir, ".staging-old"));
    await mkdir(join(cacheDir, ".staging-new"));
    const yesterday = Date.now() / 1000 - 86_400;
    await utimes(join(cacheDir, ".staging-old"), yesterday, yesterday);
    await install(mirror);
    expect((await readdir(cacheDir)).sort()).toEqual([".staging-new", "2.99.0"]);
  });

  it("says honestly that there is no pinned release for a platform", async () => {
    mirror = await startReleaseMirror("2.99.0");
    const platform = `${process.platform}-${process.arch}`;
    await expect(install(mirror, { releases: {} })).rejects.toThrow(`no pinned release for ${platform}`);
  });
});

describe("pinnedReleases", () => {
  it.each(
    Object.entries(pinnedReleases),
  )("pins %s by a whole checksum and its own archive", (_platform, pin) => {
    expect(pin.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(pin.archive).toMatch(
      new RegExp(`^nats-server-v${pin.version}-[a-z]+-[a-z0-9]+\\.(tar\\.gz|zip)$`),
    );
  });
});

const withChecksum = (releases: ReleaseTable, sha256: string): ReleaseTable =>
  Object.fromEntries(
    Object.entries(releases).map(([key, pin]: [string, PinnedRelease]) => [key, { ...pin, sha256 }]),
  );
