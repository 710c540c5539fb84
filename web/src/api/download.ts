// A file of the server, with its name; what the server refuses comes as the sentence it said.
import { problemOf, unreachable } from "./client";

export function nameIn(disposition: string | null, otherwise: string): string {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  if (!encoded) return /filename="([^"]+)"/i.exec(disposition ?? "")?.[1] ?? otherwise;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

// What a file is called where the server gave it no name.
export function lastPart(address: string): string {
  const [path = ""] = address.split(/[?#]/, 1);
  return path.split("/").filter(Boolean).at(-1) ?? "file";
}

export async function fetchFile(path: string): Promise<{ url: string; name: string }> {
  let response: Response;
  let blob: Blob | undefined;
  try {
    response = await fetch(path, { credentials: "same-origin", headers: { "X-Mamori": "1" } });
    if (response.ok) blob = await response.blob();
  } catch {
    throw unreachable;
  }
  if (!blob) throw await problemOf(response);
  return {
    url: URL.createObjectURL(blob),
    name: nameIn(response.headers.get("Content-Disposition"), lastPart(path)),
  };
}

export function saveFile({ url, name }: { url: string; name: string }) {
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
