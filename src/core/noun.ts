/** What a flow is about, in words for people: an order, orders. */
export type Noun = { one: string; many: string };
