/** An article. `unitPriceMinor` is in minor units of the order's currency. */
export type CatalogueItem = { sku: string; unitPriceMinor: number };

const goods = [
  "LANTERN",
  "TEAPOT",
  "MUG",
  "CANDLE",
  "BLANKET",
  "CUSHION",
  "CLOCK",
  "VASE",
  "BASKET",
  "APRON",
  "NOTEBOOK",
  "UMBRELLA",
  "TRAY",
  "MIRROR",
  "BOWL",
  "FRAME",
  "SATCHEL",
  "KETTLE",
  "STOOL",
  "LAMP",
];

/**
 * The first `size` articles that generated orders are made of (`LANTERN-001`, `TEAPOT-002` …): the same on every
 * machine and at any time, so that inventory can stock what `publish` will order. The first ones are ordered most.
 */
export function catalogueOf(size = 100): CatalogueItem[] {
  return Array.from({ length: size }, (_, index) => ({
    sku: `${goods[index % goods.length]}-${String(index + 1).padStart(3, "0")}`,
    // Prices from 2.95 to 96.45; 89 shares no factor with 188, so neighbours differ.
    unitPriceMinor: 295 + ((index * 89) % 188) * 50,
  }));
}
