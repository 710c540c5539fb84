// Which columns a list shows: the register's own choice, until somebody chose others; kept in this browser.
import type { RegisterInfo } from "../../api/client";

const key = (info: RegisterInfo) => `columns.${info.name}`;

// What was kept may be of an older register, or not of us at all.
export function columnsIn(kept: string | null, info: RegisterInfo): string[] {
  const own = info.fields.filter((field) => field.list).map((field) => field.name);
  if (kept === null) return own;
  try {
    const names: unknown = JSON.parse(kept);
    if (!Array.isArray(names)) return own;
    return info.fields.filter((field) => names.includes(field.name)).map((field) => field.name);
  } catch {
    return own;
  }
}

export const readColumns = (info: RegisterInfo) => columnsIn(localStorage.getItem(key(info)), info);
export const keepColumns = (info: RegisterInfo, names: string[]) =>
  localStorage.setItem(key(info), JSON.stringify(names));
