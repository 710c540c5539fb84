import type { FieldInfo, Value } from "../api/contract";
import { wordsIn } from "../texts/context";
import { dayOf, timeOf, type Language } from "../texts/dates";
import { sentence } from "../texts/texts";

// A value of a record, or of a condition on it, as people read it.
export function shownAs(
  field: FieldInfo,
  value: Value | undefined,
  refs: Record<string, string>,
  language: Language,
): string {
  if (value === null || value === undefined || value === "") return "";
  const text = String(value);
  if (field.type === "choice")
    return wordsIn(field.choices?.find((choice) => choice.value === value)?.label, language) || text;
  if (field.type === "ref") return refs[field.name] ?? text;
  if (field.type === "boolean")
    return text === "true" ? `○ ${sentence("record.yes", language)}` : `－ ${sentence("record.no", language)}`;
  if (field.type === "date") return dayOf(text, language);
  if (field.type === "datetime") return timeOf(text, language);
  if (field.type === "file") return text.slice(text.indexOf(":") + 1); // "SHA-256:name"
  if (field.name.endsWith("_bytes")) return `${(Number(value) / 1e9).toFixed(1)} GB`;
  return text;
}
