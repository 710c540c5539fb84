// Days and times as people here read them. All are of Japan, wherever the browser stands.
export type Language = "ja" | "en";

const zone = "Asia/Tokyo";
const offset = 9 * 3600e3; // Japan has no summer time
const locales = { ja: "ja-JP", en: "en-CA" };
const era = new Intl.DateTimeFormat("ja-JP-u-ca-japanese", { era: "short", year: "numeric", timeZone: zone });
const long = new Intl.DateTimeFormat("ja-JP", { year: "numeric", month: "long", day: "numeric", timeZone: zone });

// What is no date stands as it came: the pages show data of others, and Date alone would read "２０２６-11-21" as 2001.
const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;
const read = (iso: string) => {
  if (!form.test(iso)) return null;
  const date = new Date(iso.length === 10 ? `${iso}T00:00:00+09:00` : iso);
  return Number.isNaN(date.getTime()) ? null : date;
};

// 2026年11月21日（令和8年）, or the ISO day in English.
export function dayOf(iso: string, language: Language): string {
  const date = read(iso);
  if (!date) return iso;
  return language === "en" ? dayInJapan(date) : `${long.format(date)}（${era.format(date)}）`;
}

export function timeOf(iso: string, language: Language): string {
  return (
    read(iso)?.toLocaleString(locales[language], { timeZone: zone, dateStyle: "medium", timeStyle: "short" }) ?? iso
  );
}

export function secondsOf(iso: string, language: Language): string {
  const options = { timeZone: zone, dateStyle: "short", timeStyle: "medium", hourCycle: "h23" } as const;
  return read(iso)?.toLocaleString(locales[language], options) ?? iso;
}

// In minutes below an hour, in hours below two days, then in days.
export function agoOf(iso: string, language: Language, now: number): string {
  const date = read(iso);
  if (!date) return iso;
  const minutes = Math.round((now - date.getTime()) / 60e3);
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (Math.abs(minutes) < 60) return format.format(-minutes, "minute");
  if (Math.abs(minutes) < 60 * 48) return format.format(-Math.round(minutes / 60), "hour");
  return format.format(-Math.round(minutes / 1440), "day");
}

// The day that it is in Japan at that moment, 2026-11-21.
export const dayInJapan = (at: Date) => new Date(at.getTime() + offset).toISOString().slice(0, 10);

// A moment as <input type="datetime-local"> takes it, 2026-11-21T08:30.
export function localInputOf(iso: string): string {
  const date = read(iso);
  return date ? new Date(date.getTime() + offset).toISOString().slice(0, 16) : "";
}
