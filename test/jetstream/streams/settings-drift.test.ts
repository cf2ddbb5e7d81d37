import { describe, expect, it } from "vitest";
import { compareSettings, driftText } from "../../../src/jetstream/streams/settings-drift.ts";

const wanted = { durable_name: "c", ack_policy: "explicit", filter_subject: "A.*", max_ack_pending: 50 };
const actual = { ...wanted, name: "c", deliver_policy: "all", max_deliver: -1, replay_policy: "instant" };

const compare = (settings: object) =>
  compareSettings({ kind: "consumer", name: "c", wanted }, { ...actual, ...settings });

describe("settings that nobody asked for", () => {
  it.each([
    ["what a server fills in", { max_waiting: 512, num_replicas: 0, ack_wait: 30e9, mem_storage: false }],
    [
      "what describes only",
      { description: "made by Terraform", metadata: { "_nats.ver": "2.15.1", team: "a" } },
    ],
    ["one filter told as a list", { filter_subject: undefined, filter_subjects: ["A.*"] }],
    ["what is empty, known or not", { backoff: [], priority_groups: null, something_new: false, other: {} }],
  ])("are no difference: %s", (_, settings) => {
    expect(compare(settings)).toEqual([]);
  });

  it.each([
    ["replay_policy", "original", null],
    ["inactive_threshold", 5e9, null],
    ["max_batch", 100, null],
    ["mem_storage", true, null],
    ["sample_freq", "100%", null],
    ["max_deliver", 2, expect.stringContaining("never delivered again")],
    ["ack_policy", "none", expect.stringContaining("never delivered again")],
    ["ack_policy", "all", expect.any(String)],
    ["deliver_policy", "new", expect.stringContaining("never delivered")],
    ["headers_only", true, expect.any(String)],
    ["deliver_subject", "x", expect.any(String)],
    ["filter_subject", "A.>", expect.any(String)],
    ["filter_subjects", ["A.*", "B.*"], expect.any(String)],
    ["priority_groups", ["g"], expect.any(String)],
  ])("are named where they differ: %s %j", (setting, value, leadsTo) => {
    expect(compare({ [setting]: value })).toEqual([
      expect.objectContaining({ setting, actual: value, isKnown: true, leadsTo }),
    ]);
  });

  it("are named although this version does not know them", () => {
    const [drift, ...more] = compare({ teleport: "always" });
    expect(more).toEqual([]);
    expect(drift).toMatchObject({ setting: "teleport", actual: "always", isKnown: false, leadsTo: null });
    expect(drift && driftText(drift)).toBe(
      'consumer c has a setting that orderctl does not know: teleport "always"',
    );
  });

  it("count as the broker's own where a short age of messages shortens the window of duplicates", () => {
    const stream = { kind: "stream" as const, name: "S", wanted: { name: "S", max_age: 60e9 } };
    expect(compareSettings(stream, { name: "S", max_age: 60e9, duplicate_window: 60e9 })).toEqual([]);
    expect(compareSettings(stream, { name: "S", max_age: 60e9, duplicate_window: 1e9 })).toHaveLength(1);
  });
});
