import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openDirectoryStore } from "../../src/archive/directory-store.ts";
import type { SegmentStore } from "../../src/archive/segment-store.ts";

const name = "orders/date=2026-03-01/orders-1-9-0badcafe.parquet";

let parent: string;
let dir: string;
let store: SegmentStore;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "orderctl-store-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  dir = join(parent, "made", "archive");
  store = openDirectoryStore(dir);
});

async function contentOf(file: string): Promise<string> {
  const opened = await store.open(file);
  const content = Buffer.from(await opened.read(0, opened.bytes)).toString();
  await opened.close();
  return content;
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const unavailable = (text: RegExp) => ({
  code: "unavailable",
  source: "store",
  message: expect.stringMatching(text),
});

describe("a store in a folder", () => {
  it("is named by a URL", () => {
    expect(store.url).toBe(pathToFileURL(dir).href);
    expect(openDirectoryStore("some where").url).toBe(pathToFileURL(join(process.cwd(), "some where")).href);
  });

  it("returns what was written, whole and in parts", async () => {
    await store.write(name, Buffer.from("0123456789"));
    const file = await store.open(name);
    expect(file).toMatchObject({ bytes: 10, name: `${store.url}/${name}` });
    expect(Buffer.from(await file.read(3, 7)).toString()).toBe("3456");
    expect(await file.read(4, 4)).toEqual(new Uint8Array());
    await file.close();
    expect(await readFile(join(dir, name), "utf8")).toBe("0123456789");
  });

  it("makes no folder before something is written", async () => {
    await expect(store.open(name)).rejects.toMatchObject(unavailable(/no such file/));
    await expect(store.list()).rejects.toMatchObject(
      unavailable(/cannot list file:.*no such file or directory$/),
    );
    await store.remove(name);
    expect(await readdir(parent)).toEqual([]);
  });

  it("keeps what it makes to this user", async () => {
    await store.write(name, Buffer.from("x"));
    for (const folder of [dir, join(dir, "orders"), join(dir, "orders/date=2026-03-01")])
      expect(await modeOf(folder)).toBe(0o700);
    expect(await modeOf(join(dir, name))).toBe(0o600);
  });

  it("lists all files by their names, and nothing once they are removed", async () => {
    const names = [name, name.replace("parquet", "keys"), "orders/date=2026-03-02/b.json"];
    for (const each of names) await store.write(each, Buffer.from(each));
    expect((await store.list()).sort()).toEqual(names.toSorted());
    for (const each of names) await store.remove(each);
    for (const each of names) await store.remove(each);
    expect(await store.list()).toEqual([]);
  });

  it("replaces a file, and a reader of the old one still reads that", async () => {
    await store.write(name, Buffer.from("old"));
    const old = await store.open(name);
    await store.write(name, Buffer.from("new one"));
    expect(Buffer.from(await old.read(0, 3)).toString()).toBe("old");
    await old.close();
    expect(await contentOf(name)).toBe("new one");
  });

  it("neither lists nor opens what a crashed write left, and removes it with the next write", async () => {
    await store.write(name, Buffer.from("whole"));
    const draft = `${name}.3f0b.part`;
    await writeFile(join(dir, draft), "half");
    await writeFile(join(dir, `${name}x.3f0b.part`), "another's");
    expect(await store.list()).toEqual([name]);
    await expect(store.open(draft)).rejects.toMatchObject(unavailable(/not the name of an archived file/));
    await store.write(name, Buffer.from("again"));
    const left = await readdir(join(dir, "orders/date=2026-03-01"));
    expect(left.sort()).toEqual(["orders-1-9-0badcafe.parquet", "orders-1-9-0badcafe.parquetx.3f0b.part"]);
  });

  it("holds one whole file when many write it at once", async () => {
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(200_000));
    const written = await Promise.allSettled(contents.map((each) => store.write(name, Buffer.from(each))));
    expect(written.some(({ status }) => status === "fulfilled")).toBe(true);
    for (const each of written) {
      if (each.status === "rejected") expect(each.reason).toMatchObject(unavailable(/cannot write file:/));
    }
    expect(contents).toContain(await contentOf(name));
    expect(await store.list()).toEqual([name]);
  });

  it.each([
    "../outside",
    "/etc/passwd",
    "a/../../b",
    "a//b",
    "a/./b",
    "",
    ".",
  ])("has no file %j", async (bad) => {
    await expect(store.write(bad, Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.open(bad)).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.remove(bad)).rejects.toMatchObject({ code: "unavailable" });
    expect(await readdir(parent)).toEqual([]);
  });

  it("says which file cannot be read, and why", async () => {
    await store.write(name, Buffer.from("0123456789"));
    await expect(store.open(`${name}.gone`)).rejects.toMatchObject(
      unavailable(/^cannot read file:.*orders-1-9-0badcafe\.parquet\.gone: no such file or directory$/),
    );
    const file = await store.open(name);
    await expect(file.read(5, 11)).rejects.toMatchObject(
      unavailable(/^cannot read file:.*parquet: it ends before byte 11$/),
    );
    await file.close();
    await expect(file.read(0, 1)).rejects.toMatchObject(unavailable(/^cannot read file:.*parquet: /));
  });

  it("says which file cannot be written, and why", async () => {
    await mkdir(parent, { recursive: true });
    await writeFile(join(parent, "made"), "a file where the folder should be");
    const what = /^cannot write file:.*0badcafe\.parquet: (not a directory|file already exists)$/;
    await expect(store.write(name, Buffer.from("x"))).rejects.toMatchObject(unavailable(what));
    await expect(store.open(name)).rejects.toMatchObject(unavailable(/: not a directory$/));
  });

  it("refuses a folder into which every user may write", async () => {
    await mkdir(dir, { recursive: true });
    execFileSync("chmod", ["777", dir]);
    await expect(store.write(name, Buffer.from("x"))).rejects.toMatchObject({ code: "usage" });
  });
});

/** A file system of 64 KiB at a folder, until the end of the test. */
function mountSmall(folder: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", folder], { stdio: "ignore" });
    onTestFinished(() => void execFileSync("umount", [folder]));
    return true;
  } catch {
    return false;
  }
}

it("says that the disk is full, and leaves nothing of the file", async ({ skip }) => {
  await mkdir(dir, { recursive: true });
  if (!mountSmall(dir)) skip("this user may not mount a small disk");
  await store.write("small", Buffer.alloc(1000));
  await expect(store.write(name, Buffer.alloc(200_000))).rejects.toMatchObject(
    unavailable(/^cannot write file:.*parquet: no space left on device$/),
  );
  expect(await readdir(join(dir, "orders/date=2026-03-01"))).toEqual([]);
  expect(await store.list()).toEqual(["small"]);
});
