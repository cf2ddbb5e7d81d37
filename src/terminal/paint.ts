import { Chalk, type ChalkInstance } from "chalk";
import type { Style } from "./terminal.ts";

/** Chalk, which adds colours only if the style has them. No meaning may be carried by colour alone. */
export const paint = ({ colour }: Style): ChalkInstance => new Chalk({ level: colour ? 1 : 0 });
