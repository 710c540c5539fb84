// What the address bar says: the path chooses the page, the query string holds the view.
export type Location = { path: string; search: URLSearchParams };

// An address with some values of its query string changed; an empty one goes.
export function addressWith({ path, search }: Location, values: Record<string, string>): string {
  const changed = new URLSearchParams(search);
  for (const [key, value] of Object.entries(values))
    if (value) changed.set(key, value);
    else changed.delete(key);
  const text = changed.toString();
  return path + (text ? `?${text}` : "");
}

// "/ledgers/asset/7" is the page "ledgers", asked for ["asset", "7"]. What cannot be decoded is no page.
export function pageOf(path: string): { name: string; rest: string[] } | null {
  try {
    const [name = "", ...rest] = path.split("/").filter(Boolean).map(decodeURIComponent);
    return { name, rest };
  } catch {
    return null;
  }
}

// Whether a place of the menu is where we are, or above it.
export const isAt = (path: string, place: string) => path === place || (place !== "/" && path.startsWith(`${place}/`));
