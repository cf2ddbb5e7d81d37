import { defineFlow } from "orderctl";
import { z } from "zod";

const signedUp = z.object({ email: z.email(), plan: z.enum(["free", "team"]).default("free") });
const provisioned = z.object({ email: z.email(), workspace: z.string() });

/** Makes the workspace of an account; the same one when it is asked again. */
export type MakeWorkspace = (email: string, idempotencyKey: string) => Promise<string>;

/** The web application makes the stream ACCOUNTS and stores who signs up; this flow only reads it, and adds what it has done. */
export default defineFlow({
  name: "signups",
  stream: { name: "ACCOUNTS", manage: false },
  key: "email",
  events: {
    signedUp: { subject: "accounts.signed-up.*", schema: signedUp },
    provisioned: { subject: "accounts.provisioned", schema: provisioned },
  },
})
  .deps((): { makeWorkspace: MakeWorkspace } => ({
    makeWorkspace: async (email) => `ws-${email.split("@")[0]}`,
  }))
  .service("provision", {
    on: "signedUp",
    emits: ["provisioned"],
    handle: async ({ data: { email, plan } }, ctx) => {
      if (plan === "team" && email.endsWith("@example.org")) ctx.giveUp("teams are not for example.org");
      const workspace = await ctx.call("workspaces", (io) =>
        ctx.deps.makeWorkspace(email, io.idempotencyKey),
      );
      return ctx.emit("provisioned", { workspace });
    },
  });
