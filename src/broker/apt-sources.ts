/** One archive as the system's apt is told about it. */
export type AptSource = { uri: string; suites: string[]; components: string[]; signedBy: string | null };

/** Reads a one-line `.list` file. Source entries, comments and removable media are left out. */
export function parseSourcesList(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const [, options = "", uri, suite, components = ""] =
      /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)/.exec(line) ?? [];
    if (uri === undefined || suite === undefined || uri.startsWith("cdrom:")) return [];
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? null;
    return [{ uri, suites: [suite], components: words(components), signedBy }];
  });
}

/** Reads a deb822 `.sources` file. Disabled stanzas and those without binary packages are left out. */
export function parseDeb822Sources(text: string): AptSource[] {
  return parseStanzas(text).flatMap((fields) => {
    const isOff = /^(no|false|off|0)$/i.test(fields.get("enabled") ?? "yes");
    if (isOff || !words(fields.get("types")).includes("deb")) return [];
    const signedBy = fields.get("signed-by") ?? null;
    const suites = words(fields.get("suites"));
    return words(fields.get("uris")).map((uri) => ({
      uri,
      suites,
      components: words(fields.get("components")),
      signedBy,
    }));
  });
}

/** Reads RFC 822 style stanzas (control files, deb822); field names in lower case, comments left out. */
export function parseStanzas(text: string): Map<string, string>[] {
  const bare = text.replace(/\r/g, "").replace(/^#.*\n?/gm, "");
  return bare
    .split(/\n\s*\n/)
    .map(parseFields)
    .filter((fields) => fields.size > 0);
}

function parseFields(stanza: string): Map<string, string> {
  const unfolded = stanza.replace(/\n[ \t]+/g, " ");
  const fields = new Map<string, string>();
  for (const line of unfolded.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return fields;
}

const debianSuites =
  /^(sid|unstable|testing|stable|oldstable|oldoldstable|buster|bullseye|bookworm|trixie|forky|duke)$/;

/** The Debian archives among `sources`, each once, with the plain suites (no updates, no security) they are used for. */
export function pickDebianArchives(sources: AptSource[]): { uri: string; suites: string[] }[] {
  const archives = new Map<string, Set<string>>();
  for (const source of sources) {
    const suites = source.suites.filter((suite) => debianSuites.test(suite));
    if (suites.length === 0 || !isDebianArchive(source)) continue;
    const uri = source.uri.replace(/\/+$/, "");
    archives.set(uri, new Set([...(archives.get(uri) ?? []), ...suites]));
  }
  return [...archives].map(([uri, suites]) => ({ uri, suites: [...suites] }));
}

function isDebianArchive({ uri, components, signedBy }: AptSource): boolean {
  const namesDebian = /debian/i.test(uri) || /debian-archive/.test(signedBy ?? "");
  return namesDebian && components.includes("main");
}

const words = (text = ""): string[] => text.split(/\s+/).filter((word) => word !== "");
