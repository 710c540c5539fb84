// Which columns a list shows: the register's own choice, until somebody chose others; kept in this browser.
import type { FieldInfo, RegisterInfo } from "../../api/contract";

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

// How wide a column is, in rem: as its values are, not as those that happen to be seen, so that scrolling moves nothing.
export function widthOf(field: FieldInfo): number {
  switch (field.type) {
    case "boolean":
    case "integer":
    case "number":
      return 7;
    case "choice":
    case "ip":
    case "cidr":
    case "phone":
      return 10;
    case "date":
    case "datetime":
      return 13;
    case "long_text":
    case "url":
    case "email":
      return 18;
    default:
      return 12;
  }
}
