import { randomUUID } from "node:crypto";
import { constants, lstatSync, mkdtempSync, realpathSync, type Stats, statSync } from "node:fs";
import { chmod, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { OrderctlError, systemCode } from "./errors.ts";

/** This user's id; undefined on Windows, where the location of a user's folders protects them from other users. */
const own = process.getuid?.();

const otherMayWrite = 0o002;
const groupMayWrite = 0o020;
const sticky = 0o1000;
const everybodyElse = 0o077;

/**
 * Makes a folder, and those above it, that nobody else may enter, or takes other users' permissions from an existing
 * one. Throws `usage` when another user could have put something into the folder, or could put another one in its
 * place.
 */
export async function openPrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = checkFolder(path);
  if (own !== undefined && found && (found.mode & everybodyElse) !== 0) await chmod(path, 0o700);
}

/** Makes the same checks as `openPrivateFolder` and changes nothing; undefined when there is no such folder. */
export function checkFolder(path: string): Stats | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (own === undefined || found === undefined) return found;
  const danger = dangerAbove(path);
  if (danger !== undefined) throw unsafe(danger.path, danger.why, danger.fix);
  const { uid, mode } = found;
  if (uid !== own) throw unsafe(path, `belongs to user ${uid}`, `chown ${own} ${path}`);
  if ((mode & otherMayWrite) !== 0 || isOfOtherGroup(found))
    throw unsafe(path, "may be written by other users", `chmod go-w ${path}`);
  return found;
}

/**
 * Another group than the user's own may write. The own group may: under umask 002 it can write into everything that the
 * user makes.
 */
const isOfOtherGroup = ({ gid, mode }: Stats): boolean =>
  (mode & groupMayWrite) !== 0 && gid !== process.getgid?.();

/** Makes a new folder for this process alone. Throws `usage` when another user could replace it. */
export function makeTemporaryFolder(prefix: string): string {
  const danger = dangerAbove(join(tmpdir(), prefix));
  if (danger !== undefined) throw unsafe(danger.path, danger.why, danger.fix);
  return mkdtempSync(join(tmpdir(), prefix));
}

/** Why another user could replace the file at `path`, also through a symbolic link; undefined when nobody can. */
export function whoMayReplace(path: string): string | undefined {
  if (own === undefined) return undefined;
  const real = realpathSync(path);
  const itself = lstatSync(real);
  const danger = dangerOf(real, itself) ?? dangerAbove(real) ?? dangerAbove(path);
  if (danger) return `${danger.path} ${danger.why}`;
  const folder = dirname(real);
  for (const each of [real, folder])
    if (isOfOtherGroup(lstatSync(each))) return `${each} may be written by another group`;
  return undefined;
}

type Danger = { path: string; why: string; fix: string };

/** The first folder above `path`, also behind symbolic links, in which another user could replace something. */
function dangerAbove(path: string): Danger | undefined {
  if (own === undefined) return undefined;
  const parent = dirname(resolve(path));
  for (const start of new Set([parent, realpathSync(parent)])) {
    for (let folder = start; ; folder = dirname(folder)) {
      const danger = dangerOf(folder, lstatSync(folder));
      if (danger) return danger;
      if (folder === dirname(folder)) break;
    }
  }
  return undefined;
}

/**
 * Why another user could replace something at `path`. In a sticky folder, such as /tmp, nobody can replace another
 * user's files.
 */
function dangerOf(path: string, { uid, mode }: Stats): Danger | undefined {
  if (uid !== own && uid !== 0) return { path, why: `belongs to user ${uid}`, fix: `chown ${own} ${path}` };
  const isSymlink = (mode & constants.S_IFMT) === constants.S_IFLNK;
  if (isSymlink || (mode & otherMayWrite) === 0 || (mode & sticky) !== 0) return undefined;
  return { path, why: "may be written by every user", fix: `chmod o-w ${path}` };
}

const unsafe = (path: string, why: string, fix: string): OrderctlError =>
  new OrderctlError("usage", `${path} ${why}: it is not used`, {
    hint: `is what lies there yours? then \`${fix}\`; or name another folder (XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME, TMPDIR)`,
  });

/** Writes a file that only this user may read, in one step: a reader sees either the old text or the new one. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.close();
    await rename(draft, path);
  } catch (thrown) {
    await file.close();
    await rm(draft, { force: true });
    throw thrown;
  }
}

const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW = 0 } = constants;

/**
 * Opens a file for appending and takes other users' permissions from it. Throws `usage` for a symbolic link, which
 * another user may have put there.
 */
export async function openPrivateAppend(path: string): Promise<FileHandle> {
  const file = await open(path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600).catch((thrown) => {
    if (systemCode(thrown) !== "ELOOP") throw thrown;
    throw new OrderctlError("usage", `${path} is a symbolic link, which is not followed`, {
      hint: "name the file itself, or remove the link",
    });
  });
  const { uid, mode } = await file.stat();
  if (uid === own && (mode & everybodyElse) !== 0) await file.chmod(0o600);
  return file;
}
