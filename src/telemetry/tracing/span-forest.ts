/** Trees that are put together root by root, none of which ever closes a circle. Almost constant time for each step. */
export class SpanForest<T> {
  /** From a node to one above it, nearer to the root each time it is asked. */
  readonly #above = new Map<T, T>();

  /** Puts the tree whose root `root` is below `parent`; false, and nothing done, where `parent` is in that tree. */
  attach(root: T, parent: T): boolean {
    const top = this.#topOf(parent);
    if (top === root) return false;
    this.#above.set(root, top);
    return true;
  }

  #topOf(node: T): T {
    let top = node;
    for (let above = this.#above.get(top); above !== undefined; above = this.#above.get(top)) top = above;
    // What was walked past is nearer to the root from now on.
    for (let at = node; at !== top; ) {
      const above = this.#above.get(at) ?? top;
      this.#above.set(at, top);
      at = above;
    }
    return top;
  }
}
