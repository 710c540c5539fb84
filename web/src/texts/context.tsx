import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import type { Words } from "../api/client";
import { texts, type TextKey } from "./texts";

export type Language = "ja" | "en";
export type Translate = (key: TextKey, facts?: Record<string, string | number>) => string;

const Context = createContext<{ language: Language; setLanguage: (language: Language) => void }>({
  language: "ja",
  setLanguage: () => {},
});

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(() => (localStorage.getItem("language") === "en" ? "en" : "ja"));
  useEffect(() => {
    document.documentElement.lang = language;
    localStorage.setItem("language", language);
  }, [language]);
  const value = useMemo(() => ({ language, setLanguage }), [language]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export function useLanguage() {
  return useContext(Context);
}

export function useTexts(): Translate {
  const { language } = useLanguage();
  return (key, facts) => {
    let text: string = texts[key]?.[language === "en" ? 1 : 0] ?? key;
    for (const [name, value] of Object.entries(facts ?? {})) text = text.replaceAll(`{${name}}`, String(value));
    return text;
  };
}

// The words of data (labels, titles) in the chosen language.
export function useWords() {
  const { language } = useLanguage();
  return (words: Words | undefined) => (!words ? "" : language === "en" && words.en ? words.en : words.ja);
}

// 2026年11月21日（令和8年）, or the ISO day in English.
export function useDates() {
  const { language } = useLanguage();
  const era = new Intl.DateTimeFormat("ja-JP-u-ca-japanese", { era: "short", year: "numeric" });
  const day = (iso: string) => {
    if (!iso) return "";
    const date = new Date(iso.length === 10 ? `${iso}T00:00:00+09:00` : iso);
    if (Number.isNaN(date.getTime())) return iso;
    if (language === "en") return date.toLocaleDateString("en-CA", { timeZone: "Asia/Tokyo" });
    const plain = date.toLocaleDateString("ja-JP", {
      year: "numeric",
      month: "long",
      day: "numeric",
      timeZone: "Asia/Tokyo",
    });
    return `${plain}（${era.format(date).replace(/^(明治|大正|昭和|平成|令和)/, "$1")}）`;
  };
  const time = (iso: string) =>
    new Date(iso).toLocaleString(language === "en" ? "en-CA" : "ja-JP", {
      timeZone: "Asia/Tokyo",
      dateStyle: "medium",
      timeStyle: "short",
    });
  const seconds = (iso: string) =>
    new Date(iso).toLocaleString(language === "en" ? "en-CA" : "ja-JP", {
      timeZone: "Asia/Tokyo",
      dateStyle: "short",
      timeStyle: "medium",
      hourCycle: "h23",
    });
  const ago = (iso: string) => {
    const minutes = Math.round((Date.now() - new Date(iso).getTime()) / 60000);
    const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
    if (minutes < 60) return format.format(-minutes, "minute");
    if (minutes < 60 * 48) return format.format(-Math.round(minutes / 60), "hour");
    return format.format(-Math.round(minutes / 1440), "day");
  };
  return { day, time, seconds, ago };
}
