import coerce from "semver/functions/coerce.js";
import compare from "semver/functions/compare.js";

/**
 * True when `version` (`2.9.10`, `v2.10.0-RC.1`) is older than `than`; a pre-release counts as its release. False for a
 * text that is no version.
 */
export function isOlder(version: string, than: string): boolean {
  const release = coerce(version);
  return release !== null && compare(release, than) < 0;
}

/** Orders versions; a pre-release (`2.12.0-RC.1`) comes before its release. */
export const compareVersions = (left: string, right: string): number => compare(left, right);
