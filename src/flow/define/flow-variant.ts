import type { FlowTypes } from "./types.ts";

/** By what a variant is known, also one of another copy of this package. */
const brand = Symbol.for("orderctl.variant");

/**
 * What a module exports that runs the built-in flow with code of its own, instead of a flow of its own. Only the code of
 * the built-in flow knows what more it holds.
 */
export abstract class FlowVariant<T extends FlowTypes = FlowTypes, Deps = unknown> {
  /** The flow's name, as `--flow` takes it. */
  abstract readonly name: string;
  /** Of types alone: what tests know of its events, and of what its handlers work with. */
  declare readonly of?: { types: T; deps: Deps };

  constructor() {
    Object.defineProperty(this, brand, { value: 1 });
  }
}

export const isFlowVariant = (value: unknown): value is FlowVariant =>
  typeof value === "object" && value !== null && brand in value;
