/** What a line is about, for those who read it by machine: `orderId`, `traceId`, `spanId`. */
export type NoteFields = Readonly<Record<string, string>>;

/** A line for the operator. What is no worse than news is `info`. */
export type Note = (text: string, fields?: NoteFields, level?: "info" | "warn") => void;
