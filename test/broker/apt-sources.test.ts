import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  parseDeb822Sources,
  parseSourcesList,
  pickDebianArchives,
  readAptSources,
} from "../../src/broker/install-debian.ts";

describe("parseSourcesList", () => {
  it("reads options, components and comments, and leaves out what has no binary packages", () => {
    const text = `
# deb http://commented.example/debian bookworm main
deb http://deb.debian.org/debian bookworm main contrib # ours
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] https://mirror.example/debian/ trixie main
deb-src http://deb.debian.org/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb http://flat.example/repo ./
`;
    expect(parseSourcesList(text)).toEqual([
      {
        uri: "http://deb.debian.org/debian",
        suites: ["bookworm"],
        components: ["main", "contrib"],
        signedBy: null,
      },
      {
        uri: "https://mirror.example/debian/",
        suites: ["trixie"],
        components: ["main"],
        signedBy: "/usr/share/keyrings/k.gpg",
      },
      { uri: "http://flat.example/repo", suites: ["./"], components: [], signedBy: null },
    ]);
  });
});

describe("parseDeb822Sources", () => {
  it("reads stanzas with several addresses, comments, folded fields and keys written out", () => {
    const text = `Types: deb deb-src
# http://snapshot.debian.org/
URIs: http://deb.debian.org/debian http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: sid
Components: main

types: deb-src
URIs: http://sources.example/debian
Suites: sid
Components: main
`;
    const common = {
      suites: ["bookworm", "bookworm-updates"],
      components: ["main", "contrib"],
      signedBy: expect.stringContaining("BEGIN PGP"),
    };
    expect(parseDeb822Sources(text)).toEqual([
      { uri: "http://deb.debian.org/debian", ...common },
      { uri: "http://mirror.example/debian", ...common },
    ]);
  });
});

describe("pickDebianArchives", () => {
  const source = (line: string) => parseSourcesList(`deb ${line}`);

  it("takes each Debian archive once, with its plain suites", () => {
    const sources = [
      "http://deb.debian.org/debian bookworm main",
      "http://deb.debian.org/debian/ bookworm-updates main",
      "http://deb.debian.org/debian/ trixie main",
      "http://deb.debian.org/debian-security bookworm-security main",
      "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.internal/os bookworm main",
    ].flatMap(source);
    expect(pickDebianArchives(sources)).toEqual([
      { uri: "http://deb.debian.org/debian", suites: ["bookworm", "trixie"] },
      { uri: "http://mirror.internal/os", suites: ["bookworm"] },
    ]);
  });

  it.each([
    "http://archive.ubuntu.com/ubuntu noble main universe",
    "https://download.docker.com/linux/debian bookworm stable",
    "https://packages.grafana.com/oss/deb stable main",
    "https://apt.postgresql.org/pub/repos/apt bookworm-pgdg main",
  ])("does not take %s for Debian", (line) => {
    expect(pickDebianArchives(source(line))).toEqual([]);
  });
});

describe("readAptSources", () => {
  it("reads both formats, in apt's order, and no other files", async () => {
    const dir = await mkdtemp(join(tmpdir(), "orderctl-apt-etc-"));
    await mkdir(join(dir, "sources.list.d"));
    await writeFile(join(dir, "sources.list"), "deb http://one/debian sid main\n");
    const parts = join(dir, "sources.list.d");
    await writeFile(join(parts, "b.list"), "deb http://three/debian sid main\n");
    await writeFile(
      join(parts, "a.sources"),
      "Types: deb\nURIs: http://two/debian\nSuites: sid\nComponents: main\n",
    );
    await writeFile(join(parts, "c.list.save"), "deb http://old/debian sid main\n");
    const uris = (await readAptSources(dir)).map(({ uri }) => uri);
    expect(uris).toEqual(["http://one/debian", "http://two/debian", "http://three/debian"]);
    expect(await readAptSources(join(dir, "missing"))).toEqual([]);
    await rm(dir, { recursive: true });
  });
});
