import { createContext, useContext } from "react";
import type { Facility, Shapes } from "../api/contract";

// Who is signed in, and for which facility the pages speak.
export const SessionContext = createContext<{
  me: Shapes["Me"];
  facility: Facility;
  setFacility: (facility: Facility) => void;
} | null>(null);

export function useSession() {
  const session = useContext(SessionContext);
  if (!session) throw new Error("no session");
  return session;
}

export function useMay() {
  const { facility } = useSession();
  return (permission: string) => facility.permissions.includes(permission);
}
