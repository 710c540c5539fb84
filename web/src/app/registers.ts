import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { FieldInfo, Value } from "../api/contract";
import { useLanguage } from "../texts/context";
import { useSession } from "./session";
import { shownAs } from "./shown";

export function useRegisters() {
  const { facility } = useSession();
  return useQuery({
    queryKey: ["registers", facility.id],
    queryFn: () => get("/api/v1/registers", { facility: facility.id }),
    staleTime: 60_000,
  });
}

export function useShown() {
  const { language } = useLanguage();
  return (field: FieldInfo, value: Value | undefined, refs: Record<string, string> = {}) =>
    shownAs(field, value, refs, language);
}
