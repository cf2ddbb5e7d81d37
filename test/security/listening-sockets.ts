import { readdir, readFile, readlink } from "node:fs/promises";

const listening = "0A";

/** The addresses on which this process listens, from Linux's own tables. */
export async function listeningSockets(): Promise<{ address: string; port: number }[]> {
  const own = new Set<string>();
  for (const name of await readdir("/proc/self/fd")) {
    const target = await readlink(`/proc/self/fd/${name}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode) own.add(inode);
  }
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/self/net/${name}`, "utf8")));
  return tables
    .flatMap((table) => table.trim().split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === listening && own.has(inode ?? ""))
    .map(([, local = ""]) => {
      const [address = "", port = ""] = local.split(":");
      return { address: readable(address), port: Number.parseInt(port, 16) };
    });
}

/** Words of four bytes, each in the byte order of the machine, which is little-endian. */
function readable(hex: string): string {
  const bytes = [...Buffer.from(hex, "hex").swap32()];
  if (bytes.length === 4) return bytes.join(".");
  return hex === `${"0".repeat(24)}01000000` ? "::1" : `[${bytes.join(",")}]`;
}
