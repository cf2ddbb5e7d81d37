import { startTestBroker, type TestBroker } from "./start-test-broker.ts";

/** In lame duck mode it goes on for `graceS`, and ends then since its clients are few. */
export const startLameBroker = (graceS = 2): Promise<TestBroker> =>
  startTestBroker({ extraConfig: `lame_duck_duration: 30s\nlame_duck_grace_period: ${graceS}s` });

/** The orderly stop of a broker: SIGUSR2 is lame duck mode. Resolves once it is gone. */
export async function stopLamely({ pid, exited }: TestBroker, signal: "SIGUSR2" | "SIGTERM"): Promise<void> {
  process.kill(pid, signal);
  await exited;
}
