import { OrderctlError } from "../../core/errors.ts";
import type { Place } from "./call-place.ts";

/** What is wrong with a definition, and where it stands. */
export const definitionFault = (place: Place | undefined, text: string): OrderctlError =>
  new OrderctlError("usage", place ? `${place.file}:${place.line}: ${text}` : text);
