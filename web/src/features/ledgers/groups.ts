import type { RegisterInfo } from "../../api/contract";
import type { TextKey } from "../../texts/texts";

export const groups = [
  "organisation",
  "devices",
  "access",
  "network",
  "vendors",
  "backup",
  "staff",
  "documents",
  "incident",
  "measured",
  "other",
] as const;
export type Group = (typeof groups)[number];

export const groupText = (group: Group): TextKey => `ledger.group.${group}`;

// Registers are data: one of a group that the pages do not know stands among the others, never nowhere.
export function inGroups(registers: RegisterInfo[]): { group: Group; registers: RegisterInfo[] }[] {
  const groupOf = (register: RegisterInfo) => groups.find((group) => group === register.group) ?? "other";
  return groups
    .map((group) => ({ group, registers: registers.filter((register) => groupOf(register) === group) }))
    .filter((one) => one.registers.length > 0);
}
