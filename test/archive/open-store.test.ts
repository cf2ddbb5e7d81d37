import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { openStore, storeUrl } from "../../src/archive/open-store.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";

const fileUrl = (path: string) => pathToFileURL(path).href;

describe("the place of an archive that a user names", () => {
  it.each([
    ["/var/lib/orders", fileUrl("/var/lib/orders")],
    ["/var/lib/orders/", fileUrl("/var/lib/orders")],
    ["archive of orders", fileUrl(join(process.cwd(), "archive of orders"))],
    ["../archive#1", fileUrl(join(process.cwd(), "../archive#1"))],
    ["file:///var/lib/orders/", fileUrl("/var/lib/orders")],
    ["nats://ORDERS", "nats://ORDERS"],
    ["nats://orders-2_x", "nats://orders-2_x"],
  ])("is %j as %s", (text, url) => {
    expect(storeUrl(text)).toBe(url);
    expect(storeUrl(url)).toBe(url);
  });

  it.each([
    "",
    "nats://",
    "nats://a.b",
    "nats://a b",
    "nats://ORDERS/sub",
    "nats://localhost:4222",
    "s3://bucket",
    "https://example.com/archive",
    "file://server/archive",
  ])("is refused as %j", (text) => {
    expect(() => storeUrl(text)).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("nats://<bucket>") }),
    );
  });
});

describe("the store of a URL", () => {
  it("is a folder or a bucket, and is made with the first write", async () => {
    const { connection } = await brokerOfTest();
    const parent = await mkdtemp(join(tmpdir(), "orderctl-open-"));
    onTestFinished(() => rm(parent, { recursive: true, force: true }));
    const options = { connection, cacheDir: join(parent, "cache") };
    const urls = [storeUrl(join(parent, "archive")), "nats://ORDERS"];
    const stores = await Promise.all(urls.map((url) => openStore(url, options)));
    expect(stores.map(({ url }) => url)).toEqual(urls);
    expect(await readdir(parent)).toEqual([]);
    for (const store of stores) {
      await store.write("a/b.json", Buffer.from("{}"));
      expect(await store.list()).toEqual(["a/b.json"]);
      await store.close();
    }
    expect(await readdir(parent)).toEqual(["archive"]);
    expect((await connection.jsm.streams.info("OBJ_ORDERS")).config.num_replicas).toBe(1);
  });

  it("of another kind is none that can be read", async () => {
    const { connection } = await brokerOfTest();
    for (const url of ["s3://bucket", "nats://a.b", "nonsense"]) {
      await expect(openStore(url, { connection, cacheDir: "/nowhere" })).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringContaining(url),
      });
    }
  });
});
