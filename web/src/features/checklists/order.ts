import type { Shapes } from "../../api/contract";

// Contradictions first, then in the official order. `show`: a verdict, "contradiction", or "" for all.
export function itemsToShow(items: Shapes["Item"][], show: string): Shapes["Item"][] {
  const visible = (item: Shapes["Item"]) =>
    !show || item.verdict === show || (show === "contradiction" && !!item.contradiction);
  return items.filter(visible).sort((a, b) => Number(!!b.contradiction) - Number(!!a.contradiction));
}

// What does not apply here at all comes last; of the others the newest edition first.
export function frameworksInOrder(frameworks: Shapes["FrameworkSummary"][]): Shapes["FrameworkSummary"][] {
  const idle = (one: Shapes["FrameworkSummary"]) => Number(one.counts.not_applicable === one.items_total);
  return [...frameworks].sort((a, b) => idle(a) - idle(b) || b.edition.localeCompare(a.edition));
}
