import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import type { Words } from "../api/contract";
import { agoOf, dayOf, secondsOf, timeOf, type Language } from "./dates";
import { sentence, type TextKey } from "./texts";

export type Translate = (key: TextKey, facts?: Record<string, string | number>) => string;

const Context = createContext<{ language: Language; setLanguage: (language: Language) => void } | null>(null);

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
  const language = useContext(Context);
  if (!language) throw new Error("no language");
  return language;
}

export function useTexts(): Translate {
  const { language } = useLanguage();
  return (key, facts) => sentence(key, language, facts);
}

export function wordsIn(words: Words | undefined, language: Language): string {
  if (!words) return "";
  return language === "en" && words.en ? words.en : words.ja;
}

// The words of data (labels, titles) in the chosen language.
export function useWords() {
  const { language } = useLanguage();
  return (words: Words | undefined) => wordsIn(words, language);
}

export function useDates() {
  const { language } = useLanguage();
  return {
    day: (iso: string) => dayOf(iso, language),
    time: (iso: string) => timeOf(iso, language),
    seconds: (iso: string) => secondsOf(iso, language),
    ago: (iso: string) => agoOf(iso, language, Date.now()),
  };
}
