import { KeyFilter } from "./key-filter.ts";
import type { Segment } from "./manifest.ts";

/** A part of the keys in memory, and the segments that they are of. */
type Layer = { filter: KeyFilter; segments: Set<Segment> };

type End = "newest" | "oldest";

/**
 * Which segments may have a key, by what fits into memory of the hashes of their keys: 4 MB per million keys. The
 * newest segments are in memory; the others may have any key.
 */
export class SegmentKeys {
  readonly #mostLayers: number;
  /** From the newest segments to the oldest. */
  readonly #layers: Layer[] = [];
  readonly #outside = new Set<Segment>();

  constructor(mostBytes: number) {
    this.#mostLayers = Math.floor(mostBytes / KeyFilter.bytes);
  }

  get isEmpty(): boolean {
    return this.#layers.length === 0 && this.#outside.size === 0;
  }

  /** The segments whose keys are not all in memory. */
  get outside(): ReadonlySet<Segment> {
    return this.#outside;
  }

  /** Whether the keys of an older segment than all so far have room. */
  get hasRoom(): boolean {
    return this.#layers.length < this.#mostLayers || this.#layers.at(-1)?.filter.isFull === false;
  }

  /** Adds the keys of a segment that is newer than all so far; the oldest ones make room. */
  addNewer(segment: Segment, hashes: Uint8Array): void {
    this.#add(segment, hashes, "newest");
  }

  /** Adds the keys of a segment that is older than all so far, as many as have room. */
  addOlder(segment: Segment, hashes: Uint8Array): void {
    this.#add(segment, hashes, "oldest");
  }

  /** Adds older segments without their keys. */
  addOutside(segments: Iterable<Segment>): void {
    for (const segment of segments) this.#outside.add(segment);
  }

  /** The segments that may have a key, in any order; undefined for none. Hot path: ~1 µs for 10 million keys. */
  mayHave(hash: bigint): readonly Segment[] | undefined {
    const high = Number(hash >> 32n);
    const low = Number(hash & 0xffff_ffffn);
    let found = this.#outside.size === 0 ? undefined : [...this.#outside];
    for (const { filter, segments } of this.#layers) {
      if (filter.mayHave(high, low)) found = [...(found ?? []), ...segments];
    }
    return found;
  }

  #add(segment: Segment, hashes: Uint8Array, end: End): void {
    const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
    let layer = this.#layerFor(segment, end);
    for (let at = 0; at < view.byteLength; at += 8) {
      if (layer?.filter.isFull) layer = this.#layerFor(segment, end);
      if (!layer) return;
      layer.filter.add(view.getUint32(at), view.getUint32(at + 4));
    }
  }

  /** A layer with room for keys of a segment; undefined, with the segment outside, where there is none. */
  #layerFor(segment: Segment, end: End): Layer | undefined {
    const last = this.#layers.at(end === "newest" ? 0 : -1);
    const layer = last && !last.filter.isFull ? last : this.#open(end);
    if (layer) layer.segments.add(segment);
    else this.addOutside([segment]);
    return layer;
  }

  #open(end: End): Layer | undefined {
    if (this.#layers.length >= this.#mostLayers && (end === "oldest" || this.#mostLayers === 0)) return;
    if (this.#layers.length >= this.#mostLayers) this.addOutside(this.#layers.pop()?.segments ?? []);
    const layer = { filter: new KeyFilter(), segments: new Set<Segment>() };
    if (end === "newest") this.#layers.unshift(layer);
    else this.#layers.push(layer);
    return layer;
  }
}
