import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CompiledFlow, compileDefinedFlow } from "../../../src/flow/define/compile-flow.ts";
import { type DefinedFlow, defineFlow } from "../../../src/flow/define/define-flow.ts";
import type { FlowDefinition } from "../../../src/flow/define/types.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** A flow `jobs` whose events are those of a `.proto` file: `asked` is `t.Asked`, `done` is `t.Done`; without a service where `rest` has other events. */
export async function jobsFrom(source: string, rest: object = {}): Promise<CompiledFlow & { file: string }> {
  const file = join(await temporaryFolder(), "jobs.proto");
  await writeFile(file, `syntax = "proto3";\npackage t;\n${source}`);
  const flow = defineFlow({
    name: "jobs",
    key: "id",
    proto: file,
    events: { asked: "t.Asked", done: { type: "t.Done", status: "how" } },
    ...rest,
  } as unknown as FlowDefinition);
  const served =
    "events" in rest ? flow : flow.service("work", { on: "asked", emits: ["done"], handle: () => {} });
  return { ...(await compileDefinedFlow(served as unknown as DefinedFlow)), file };
}

/** The messages of `jobsFrom`, of which a test replaces lines. */
export const jobsProto = `enum How {
  HOW_UNSPECIFIED = 0;
  WELL = 1;
  BADLY = 2;
}
message Part { string name = 1; repeated Part parts = 2; }
message Asked {
  string id = 1;
  int32 count = 2;
  repeated Part parts = 3;
  string left = 4;
  string right = 5;
}
message Done { string id = 1; How how = 2; }
`;
