import { useQuery } from "@tanstack/react-query";
import { get, query, type FieldInfo, type RegisterInfo, type Value } from "../api/client";
import { useLanguage } from "../texts/context";
import { useSession } from "./session";
import { shownAs } from "./shown";

export function useRegisters() {
  const { facility } = useSession();
  return useQuery({
    queryKey: ["registers", facility.id],
    queryFn: () => get<{ items: RegisterInfo[] }>(`/api/v1/registers${query({ facility: facility.id })}`),
    staleTime: 60_000,
  });
}

export function useShown() {
  const { language } = useLanguage();
  return (field: FieldInfo, value: Value | undefined, refs: Record<string, string> = {}) =>
    shownAs(field, value, refs, language);
}
