// `${KEY}` and `${environment.folder.KEY}` in a value are references. There is no way to write one that is none.

const REFERENCE = /\$\{([a-zA-Z0-9-_.]+)\}/g;

/** `{environment, path, key}` of each reference in a value that stands at `place`. */
export const referencesIn = (value, place) =>
  [...value.matchAll(REFERENCE)].map(([text, inside]) => {
    const parts = inside.split(".");
    if (parts.length === 1) return { text, key: inside, ...place };
    return { text, key: parts.at(-1), environment: parts[0], path: `/${parts.slice(1, -1).join("/")}` };
  });

/** `value` with its references expanded by `find`; those that lead nowhere, or in a circle, are left as they are. */
export const expand = async (value, place, find, seen = new Set()) => {
  let expanded = value;
  for (const reference of referencesIn(value, place)) {
    const name = `${reference.environment}:${reference.path}:${reference.key}`;
    const found = seen.has(name) ? undefined : await find(reference);
    if (found === undefined) continue;
    const inner = await expand(found, reference, find, new Set([...seen, name]));
    expanded = expanded.replaceAll(reference.text, () => inner);
  }
  return expanded;
};
