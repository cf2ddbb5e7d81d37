import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReleaseTable } from "../../src/broker/install-release.ts";

export type ReleaseMirror = {
  url: string;
  /** Pins what the mirror serves, under its true checksum. */
  releases: ReleaseTable;
  requests: string[];
  close(): void;
};

/** How the mirror answers: `sends` is given the archive and may break off, stall or send something else. */
type Sends = (response: ServerResponse, archive: Buffer) => void;

/** Serves, on loopback, a release archive whose nats-server is a script that says it is `version`. */
export async function startReleaseMirror(version: string, sends?: Sends): Promise<ReleaseMirror> {
  const archive = packRelease(version);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    if (sends === undefined) response.end(archive);
    else sends(response, archive);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const sha256 = createHash("sha256").update(archive).digest("hex");
  const name = `nats-server-v${version}-test.tar.gz`;
  return {
    url: `http://127.0.0.1:${address.port}`,
    releases: { [`${process.platform}-${process.arch}`]: { version, archive: name, sha256 } },
    requests,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The text of a program that says it is nats-server `version`. */
export const fakeServer = (version: string): string => `#!/bin/sh\necho "nats-server: v${version}"\n`;

function packRelease(version: string): Buffer {
  const dir = mkdtempSync(join(tmpdir(), "orderctl-pack-"));
  const top = `nats-server-v${version}-test`;
  mkdirSync(join(dir, top));
  writeFileSync(join(dir, top, "LICENSE"), randomBytes(100_000));
  writeFileSync(join(dir, top, "nats-server"), fakeServer(version));
  execFileSync("tar", ["-czf", join(dir, "archive.tar.gz"), "-C", dir, top]);
  const archive = readFileSync(join(dir, "archive.tar.gz"));
  rmSync(dir, { recursive: true });
  return archive;
}
