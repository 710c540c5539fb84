// What a form holds: each field as the text that its input shows.
import type { FieldInfo, RecordInfo, RegisterInfo, Value } from "../../api/contract";
import { localInputOf } from "../../texts/dates";

export type Form = Record<string, string>;

export function toText(field: FieldInfo, value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  return field.type === "datetime" ? localInputOf(String(value)) : String(value);
}

export function formOf(info: RegisterInfo, record?: RecordInfo): Form {
  const text = (field: FieldInfo) => (record ? toText(field, record.fields[field.name]) : (field.initial ?? ""));
  return Object.fromEntries(info.fields.map((field) => [field.name, text(field)]));
}

// What is to be sent: of a record only what differs, of a new one whatever is filled in. Emptied is null.
export function changesOf(info: RegisterInfo, form: Form, record?: RecordInfo): Record<string, Value> {
  const before = (field: FieldInfo) => (record ? toText(field, record.fields[field.name]) : "");
  const changed = info.fields.filter((field) => (form[field.name] ?? "") !== before(field));
  return Object.fromEntries(changed.map(({ name }) => [name, form[name] === "" ? null : (form[name] ?? null)]));
}

// An attachment is kept as "SHA-256:name".
export const attachmentName = (value: string) => value.slice(value.indexOf(":") + 1);
