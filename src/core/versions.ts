import coerce from "semver/functions/coerce.js";
import compare from "semver/functions/compare.js";

/** Is `version` (`2.9.10`, `v2.10.0-RC.1`) before `than`? A pre-release has what its release has. False where it is no version. */
export function isOlder(version: string, than: string): boolean {
  const release = coerce(version);
  return release !== null && compare(release, than) < 0;
}

/** Orders versions; a pre-release (`2.12.0-RC.1`) comes before its release. */
export const compareVersions = (left: string, right: string): number => compare(left, right);
