import type { FieldInfo, RecordInfo, RegisterInfo, Shapes } from "../../api/contract";
import { term } from "../../api/logs";

// The fields that an entry of the journal changed; a missing value and an empty one are the same.
export function changedFields(info: RegisterInfo, { before, after }: Pick<Shapes["JournalEntry"], "before" | "after">) {
  if (!before) return [];
  const differs = ({ name }: FieldInfo) =>
    JSON.stringify(before[name] ?? null) !== JSON.stringify(after?.[name] ?? null);
  return info.fields.filter(differs);
}

// What the logs are asked about a record; "" where they have nothing to say of it. A person is known by its accounts.
export function logQuestion(register: string, record: RecordInfo, accounts: RecordInfo[]): string {
  const about = (name: string, of: RecordInfo, field: string) => {
    const value = String(of.fields[field] ?? "");
    return value ? [term(name, value)] : [];
  };
  const terms = () => {
    switch (register) {
      case "asset":
        return [...about("host", record, "hostname"), ...about("address", record, "ip")];
      case "account":
        return about("user", record, "login");
      case "log_source":
        return [term("source", record.number)];
      case "person":
        return accounts.flatMap((account) => about("user", account, "login"));
      default:
        return [];
    }
  };
  return [...new Set(terms())].join(" OR ");
}
