import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import {
  makeTemporaryFolder,
  openPrivateAppend,
  openPrivateFolder,
  writePrivateFile,
} from "../../src/core/private-files.ts";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "orderctl-private-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
});

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const nobody = 65_534;
const asRoot = it.runIf(process.getuid?.() === 0);

it("makes a folder that nobody else may enter, and closes one that was open to readers", async () => {
  const made = join(dir, "a", "b");
  await openPrivateFolder(made);
  expect(await modeOf(made)).toBe(0o700);
  await chmod(made, 0o755);
  await openPrivateFolder(made);
  expect(await modeOf(made)).toBe(0o700);
});

it("refuses a folder into which every user may write, and names it and what to do", async () => {
  const open = join(dir, "open");
  await mkdir(open);
  await chmod(open, 0o777);
  const refusal = {
    code: "usage",
    message: expect.stringContaining(open),
    hint: expect.stringContaining(`chmod go-w ${open}`),
  };
  await expect(openPrivateFolder(open)).rejects.toMatchObject(refusal);
  const below = { ...refusal, hint: expect.stringContaining(`chmod o-w ${open}`) };
  await expect(openPrivateFolder(join(open, "state"))).rejects.toMatchObject(below);
});

asRoot("refuses a folder, and a link to one, that another user has laid", async () => {
  const theirs = join(dir, "theirs");
  await mkdir(theirs);
  await chown(theirs, nobody, nobody);
  await expect(openPrivateFolder(theirs)).rejects.toThrow(`${theirs} belongs to user ${nobody}`);
  await expect(openPrivateFolder(join(theirs, "state"))).rejects.toThrow(
    `${theirs} belongs to user ${nobody}`,
  );
  const link = join(dir, "link");
  await symlink(theirs, link);
  await expect(openPrivateFolder(link)).rejects.toThrow(`belongs to user ${nobody}`);
});

asRoot("puts no temporary folder where others could replace it", async () => {
  const before = process.env.TMPDIR;
  onTestFinished(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  await chmod(dir, 0o777);
  process.env.TMPDIR = dir;
  expect(() => makeTemporaryFolder("orderctl-")).toThrow(`${dir} may be written by every user`);
  await chmod(dir, 0o1777);
  expect(await modeOf(makeTemporaryFolder("orderctl-"))).toBe(0o700);
});

it("writes into no file to which a link leads, and closes what it writes to others", async () => {
  const victim = join(dir, "victim");
  await writeFile(victim, "kept");
  const path = join(dir, "state");
  await symlink(victim, path);
  await expect(openPrivateAppend(path)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(`${path} is a symbolic link`),
  });
  await writePrivateFile(path, "new");
  expect([await readFile(victim, "utf8"), await readFile(path, "utf8")]).toEqual(["kept", "new"]);
  expect((await lstat(path)).isSymbolicLink()).toBe(false);
  await chmod(path, 0o644);
  await (await openPrivateAppend(path)).close();
  expect(await modeOf(path)).toBe(0o600);
});
