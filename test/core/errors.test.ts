import { writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";

it.runIf(process.platform === "linux")("calls a full disk by its name, whoever wrote there", async () => {
  const thrown = await writeFile("/dev/full", "x").catch((error) => error);
  expect(OrderctlError.from(thrown)).toMatchObject({ code: "output", exitCode: 8, hint: expect.any(String) });
});

it("calls a folder that cannot be made an output that cannot be written, and what it does not know `internal`", () => {
  const notMade = Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "mkdir" });
  expect(OrderctlError.from(notMade).code).toBe("output");
  const notRead = Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "open" });
  expect(OrderctlError.from(notRead).code).toBe("internal");
});
