import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const openssl = (...words: string[]) => run("openssl", words);

export type Pair = { cert: string; key: string };

/** An authority of the test's own. Everything is in files, as the broker and the command want it. */
export type Authority = {
  ca: string;
  /** A certificate for these names: `DNS:localhost`, `IP:127.0.0.1`. */
  issue(name: string, alternatives: string, days?: number): Promise<Pair>;
  remove(): Promise<void>;
};

export async function createAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "orderctl-tls-"));
  const file = (name: string) => join(folder, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = { cert: file("ca.pem"), key: file("ca-key.pem") };
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    ca.key,
    "-out",
    ca.cert,
    "-days",
    "2",
    "-subj",
    "/CN=test",
  );
  return {
    ca: ca.cert,
    async issue(name, alternatives, days = 2) {
      const pair = { cert: file(`${name}.pem`), key: file(`${name}-key.pem`) };
      const [request, extensions] = [file(`${name}.csr`), file(`${name}.ext`)];
      await openssl("req", ...key, "-keyout", pair.key, "-out", request, "-subj", `/CN=${name}`);
      await writeFile(extensions, `subjectAltName=${alternatives}`);
      const signing = ["-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial", "-days", String(days)];
      await openssl("x509", "-req", "-in", request, "-out", pair.cert, ...signing, "-extfile", extensions);
      return pair;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
