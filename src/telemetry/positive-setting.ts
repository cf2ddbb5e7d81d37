/** Returns `otherwise` for a variable that is no positive whole number, as OpenTelemetry's specification asks. */
export function positiveSetting(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}
