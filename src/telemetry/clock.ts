/**
 * Now, as Unix time in whole µs, monotonic within the process: the wall clock at its start plus the time since.
 * It follows the wall clock's corrections only at a restart.
 */
export const nowUs = (): number => Math.round((performance.timeOrigin + performance.now()) * 1000);
