/** What a line is about, for programs that read it: `orderId`, `traceId`, `spanId`. */
export type NoteFields = Readonly<Record<string, string>>;

/** Writes a line for the operator. The level is `warn` by default; `info` is for lines that report no problem. */
export type Note = (text: string, fields?: NoteFields, level?: "info" | "warn") => void;
