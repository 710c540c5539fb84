import type { Shapes, Words } from "../../api/contract";

// What an import would register by its name alone, because a line of it names it.
export type Made = Shapes["ImportMade"];

// In the order in which the registers and the names come.
export function byRegister(made: Made[]): { register: string; label: Words; names: string[] }[] {
  const groups = new Map<string, { register: string; label: Words; names: string[] }>();
  for (const { register, label, name } of made) {
    const group = groups.get(register) ?? { register, label, names: [] };
    group.names.push(name);
    groups.set(register, group);
  }
  return [...groups.values()];
}
