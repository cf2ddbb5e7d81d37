import { Chalk, type ChalkInstance } from "chalk";
import type { Style } from "./terminal.ts";

/** Colours that are none where the style has none. A meaning is never carried by colour alone. */
export const paint = ({ colour }: Style): ChalkInstance => new Chalk({ level: colour ? 1 : 0 });
