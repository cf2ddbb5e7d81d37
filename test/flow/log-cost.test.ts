import { describe, expect, it } from "vitest";
import { costOf } from "../../src/flow/log-cost.ts";
import type { Room } from "../../src/jetstream/streams/stream-room.ts";

const room = (limit: Room["limit"], of: Room["of"], left: number): Room => ({ limit, of, left });
const sample = (messages: number, atMs: number, rooms: Room[] = []) => ({
  ...{ messages, bytes: messages * 250, rooms, atMs },
});

describe("what a log costs the broker", () => {
  it("is half a kilobyte of memory for each event, and nothing is known of growth with one sample", () => {
    expect(costOf(sample(4_100_000, 0, [room("max_bytes", "bytes", 1e9)]))).toEqual({
      events: 4_100_000,
      bytes: 1.025e9,
      ramBytes: 2.132e9,
      ramBytesPerS: null,
      full: null,
    });
  });

  it("grows as its events do between two samples, and shrinks where they are removed", () => {
    expect(costOf(sample(150_000, 3000), sample(100_000, 2000)).ramBytesPerS).toBe(26e6);
    expect(costOf(sample(100_000, 3000), sample(100_500, 2000)).ramBytesPerS).toBe(-260_000);
  });

  it("takes no rate from two samples that are hardly apart", () => {
    expect(costOf(sample(101, 1010), sample(100, 1000)).ramBytesPerS).toBeNull();
  });

  it("tells which limit is reached first, and when, as long as it grows", () => {
    const rooms = [
      room("max_msgs", "messages", 5_000_000),
      room("max_bytes", "bytes", 2.5e9),
      room("account", "bytes", 1e6 * 250),
    ];
    const at = (messages: number, given = rooms) => costOf(sample(messages, 2000, given), sample(0, 1000));
    expect(at(1000).full).toEqual({ limit: "account", inS: 1000 });
    expect(at(1000, rooms.slice(0, 2)).full).toEqual({ limit: "max_msgs", inS: 5000 });
    expect(at(1000, []).full).toBeNull();
    expect(at(0).full).toBeNull();
  });
});
