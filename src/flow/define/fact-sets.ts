/**
 * The sets of facts that keys have: few sets, however many keys, so a key's is one small integer. 0 is the empty set.
 */
export class FactSets {
  readonly #ids = new Map<string, number>([["", 0]]);
  readonly #sets: ReadonlySet<string>[] = [new Set()];
  /** By set and fact: the set with that fact. */
  readonly #more: Map<string, number>[] = [new Map()];

  has = (set: number, fact: string): boolean => this.#sets[set]?.has(fact) ?? false;

  factsOf = (set: number): ReadonlySet<string> => this.#sets[set] ?? new Set();

  /** Hot path: computed once for each set and fact. */
  add(set: number, fact: string): number {
    return this.#more[set]?.get(fact) ?? this.#addNew(set, fact);
  }

  of = (facts: Iterable<string>): number => {
    const sorted = [...new Set(facts)].sort();
    const name = sorted.join("\n");
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#sets.length;
    this.#ids.set(name, id);
    this.#sets.push(new Set(sorted));
    this.#more.push(new Map());
    return id;
  };

  remove = (set: number, fact: string): number =>
    this.of([...this.factsOf(set)].filter((each) => each !== fact));

  #addNew(set: number, fact: string): number {
    const id = this.of([...this.factsOf(set), fact]);
    this.#more[set]?.set(fact, id);
    return id;
  }
}
