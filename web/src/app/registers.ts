import { useQuery } from "@tanstack/react-query";
import { get, query, type FieldInfo, type RegisterInfo, type Value } from "../api/client";
import { useSession } from "./session";
import { useDates, useTexts, useWords } from "../texts/context";

export function useRegisters() {
  const { facility } = useSession();
  return useQuery({
    queryKey: ["registers", facility.id],
    queryFn: () => get<{ items: RegisterInfo[] }>(`/api/v1/registers${query({ facility: facility.id })}`),
    staleTime: 60_000,
  });
}

// A value as people read it.
export function useShown() {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  return (field: FieldInfo, value: Value | undefined, refs: Record<string, string> = {}): string => {
    if (value === null || value === undefined || value === "") return "";
    if (field.type === "choice")
      return words(field.choices?.find((choice) => choice.value === value)?.label) || String(value);
    if (field.type === "ref") return refs[field.name] ?? String(value);
    if (field.type === "boolean") return value ? `○ ${t("record.yes")}` : `－ ${t("record.no")}`;
    if (field.type === "date") return dates.day(String(value));
    if (field.type === "datetime") return dates.time(String(value));
    if (field.name.endsWith("_bytes")) return `${(Number(value) / 1e9).toFixed(1)} GB`;
    return String(value);
  };
}
