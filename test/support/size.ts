/** True where the tests that go to the end are asked for: `npm run test:long`. */
export const isLong = process.env.ORDERCTL_LONG_TESTS === "1";

/** How much of it: little in `npm test`, as much as the promise says in `npm run test:long`. */
export const size = <T>({ short, long }: { short: T; long: T }): T => (isLong ? long : short);
