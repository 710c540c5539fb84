// Small pieces that every page uses.
import { ApiProblem } from "../api/client";
import type { FieldProblem, Verdict, Words } from "../api/contract";
import {
  useEffect,
  useId,
  useRef,
  useState,
  type AnchorHTMLAttributes,
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type MouseEvent,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from "react";
import type { UseQueryResult } from "@tanstack/react-query";
import { fetchFile, saveFile } from "../api/download";
import { useLanguage, useTexts, useWords } from "../texts/context";

export function Button({
  kind = "secondary",
  ...rest
}: { kind?: "primary" | "secondary" | "quiet" | "danger" } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return <button type="button" {...rest} className={`button ${kind} ${rest.className ?? ""}`} />;
}

// A file of the server. A refusal stands beside the link, as the server said it; `look`: in a new tab, else it is saved under its name.
export function FileLink({
  href,
  look = false,
  children,
  ...rest
}: { href: string; look?: boolean } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const t = useTexts();
  const [error, setError] = useState<unknown>(null);
  const [waiting, setWaiting] = useState(false);
  const open = async (event: MouseEvent<HTMLAnchorElement>) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (waiting) return;
    setError(null);
    setWaiting(true);
    const tab = look ? window.open("", "_blank") : null; // now, while it is the click's own
    try {
      const file = await fetchFile(href);
      if (tab) tab.location.replace(file.url);
      else saveFile(file);
    } catch (failure) {
      tab?.close();
      setError(failure);
    } finally {
      setWaiting(false);
    }
  };
  return (
    <>
      <a {...rest} href={href} aria-busy={waiting} onClick={(event) => void open(event)}>
        {children}
      </a>
      {waiting && <span role="status">{t("app.making")}</span>}
      {error !== null && <Problem error={error} />}
    </>
  );
}

// Between two facts on one line. Written as a character in JSX it would vanish at the end of a source line.
export const wide = "\u3000";

export const signs: Record<Verdict, string> = {
  met: "○",
  gap: "×",
  stale: "△",
  no_evidence: "？",
  not_applicable: "－",
};

// Sign, word and colour together: never colour alone.
export function Sign({ verdict, long = true }: { verdict: Verdict; long?: boolean }) {
  const t = useTexts();
  return (
    <span className={`sign ${verdict}`}>
      <span aria-hidden="true">{signs[verdict]}</span>
      <span className={long ? "" : "only-read"}>{t(`verdict.${verdict}`)}</span>
    </span>
  );
}

// Bytes as they are. What scrolls takes the focus, so that the keyboard can scroll it.
export function Raw({ label, text, copy = false }: { label: string; text: string; copy?: boolean }) {
  const t = useTexts();
  // Absent where the page came without TLS.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  return (
    <>
      <pre className="raw" tabIndex={0} role="group" aria-label={label}>
        {text}
      </pre>
      {copy && clipboard && (
        <Button kind="quiet" onClick={() => void clipboard.writeText(text)}>
          {t("logs.copy")}
        </Button>
      )}
    </>
  );
}

export function Loading() {
  const t = useTexts();
  return (
    <p className="loading" role="status">
      {t("app.loading")}
    </p>
  );
}

const said = (error: unknown, words: (words: Words) => string) =>
  error instanceof ApiProblem ? words(error.words) : String(error);

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const t = useTexts();
  const words = useWords();
  return (
    <div className="notice bad" role="alert">
      <p>{said(error, words)}</p>
      {retry && <Button onClick={retry}>{t("app.retry")}</Button>}
    </div>
  );
}

// Loading, error, offline, empty and full: drawn here, everywhere the same. What was read once stays while it is read again.
export function QueryView<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined)
    return (
      <>
        {query.error && <Problem error={query.error} retry={() => void query.refetch()} />}
        {children(query.data)}
      </>
    );
  if (query.error) return <Problem error={query.error} retry={() => void query.refetch()} />;
  return <Loading />;
}

type Labelled = { label: string; help?: string; problem?: string; required?: boolean };

function Around({ id, label, help, problem, required, children }: Labelled & { id: string; children: ReactNode }) {
  const t = useTexts();
  return (
    <div className={`field ${problem ? "wrong" : ""}`}>
      <label htmlFor={id}>
        {label}
        {required && <span className="required">{t("app.required")}</span>}
      </label>
      {help && (
        <p className="help" id={`${id}-help`}>
          {help}
        </p>
      )}
      {children}
      {problem && (
        <p className="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}

const described = (id: string, { help, problem }: Labelled) =>
  [help ? `${id}-help` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ") || undefined;

export function TextField({
  label,
  help,
  problem,
  required,
  ...rest
}: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  const made = useId();
  const id = rest.id ?? made;
  return (
    <Around {...{ id, label, help, problem, required }}>
      <input
        {...rest}
        id={id}
        aria-invalid={!!problem}
        aria-describedby={described(id, { label, help, problem })}
        aria-required={required}
      />
    </Around>
  );
}

export function TextArea({
  label,
  help,
  problem,
  required,
  ...rest
}: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const made = useId();
  const id = rest.id ?? made;
  return (
    <Around {...{ id, label, help, problem, required }}>
      <textarea
        rows={3}
        {...rest}
        id={id}
        aria-invalid={!!problem}
        aria-describedby={described(id, { label, help, problem })}
        aria-required={required}
      />
    </Around>
  );
}

export function SelectField({
  label,
  help,
  problem,
  required,
  children,
  ...rest
}: Labelled & SelectHTMLAttributes<HTMLSelectElement>) {
  const made = useId();
  const id = rest.id ?? made;
  return (
    <Around {...{ id, label, help, problem, required }}>
      <select
        {...rest}
        id={id}
        aria-invalid={!!problem}
        aria-describedby={described(id, { label, help, problem })}
        aria-required={required}
      >
        {children}
      </select>
    </Around>
  );
}

export function problemsOf(error: unknown): FieldProblem[] {
  return error instanceof ApiProblem ? error.errors : [];
}

export function useProblemText(error: unknown) {
  const { language } = useLanguage();
  const problems = problemsOf(error);
  return (field: string) =>
    problems
      .filter((problem) => problem.field === field)
      .map((problem) => problem[language])
      .join(" ") || undefined;
}

// The summary above a form: what is wrong, and a jump to each field.
export function ErrorSummary({ error, ids = {} }: { error: unknown; ids?: Record<string, string> }) {
  const t = useTexts();
  const { language } = useLanguage();
  const words = useWords();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (error) box.current?.focus();
  }, [error]);
  if (!error) return null;
  const problems = problemsOf(error);
  return (
    <div className="notice bad" role="alert" tabIndex={-1} ref={box}>
      <p>
        <strong>{problems.length > 0 ? t("app.errors") : said(error, words)}</strong>
      </p>
      {problems.length > 0 && (
        <ul>
          {problems.map((problem, index) => {
            const id = ids[problem.field];
            return <li key={index}>{id ? <a href={`#${id}`}>{problem[language]}</a> : problem[language]}</li>;
          })}
        </ul>
      )}
    </div>
  );
}

// A modal dialog or a drawer from the right: focus stays inside, Escape closes, focus goes back afterwards.
export function Dialog({
  title,
  drawer = false,
  close,
  children,
}: {
  title: ReactNode;
  drawer?: boolean;
  close: () => void;
  children: ReactNode;
}) {
  const t = useTexts();
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.showModal();
    return () => before?.focus();
  }, []);
  // A click beside the box; its key is Escape, which the browser turns into "cancel".
  useEffect(() => {
    const dialog = box.current;
    const clicked = (event: Event) => {
      if (event.target === dialog) close();
    };
    dialog?.addEventListener("click", clicked);
    return () => dialog?.removeEventListener("click", clicked);
  }, [close]);
  return (
    <dialog
      ref={box}
      className={drawer ? "drawer" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <div className="dialog-inside">
        <header className="dialog-head">
          <h2 id={id}>{title}</h2>
          <Button kind="quiet" onClick={close} aria-label={t("app.close")}>
            ✕
          </Button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

export function PageHead({ title, lead, children }: { title: string; lead?: string; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} - Mamori`;
  }, [title]);
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        {lead && <p className="lead">{lead}</p>}
      </div>
      {children && <div className="actions">{children}</div>}
    </header>
  );
}

export function Notice({ kind = "good", children }: { kind?: "good" | "bad" | "plain"; children: ReactNode }) {
  return (
    <div className={`notice ${kind}`} role="status">
      {children}
    </div>
  );
}
