import type { TextKey } from "../../texts/texts";

const units = [
  { seconds: 86_400, text: "jobs.days" },
  { seconds: 3_600, text: "jobs.hours" },
  { seconds: 60, text: "jobs.minutes" },
  { seconds: 1, text: "jobs.seconds" },
] as const satisfies { seconds: number; text: TextKey }[];

// A turn in the largest unit that holds it whole; 0 is by hand.
export function turnOf(seconds: number): { text: TextKey; n: number } {
  const unit = units.find((one) => seconds > 0 && seconds % one.seconds === 0);
  return unit ? { text: unit.text, n: seconds / unit.seconds } : { text: "jobs.by_hand", n: 0 };
}

// How far a job is, in whole percent; never 100 before it has ended, unknown while the whole is.
export const percentOf = (done: number, whole: number) =>
  whole > 0 ? Math.max(0, Math.min(done < whole ? 99 : 100, Math.floor((done * 100) / whole))) : undefined;
