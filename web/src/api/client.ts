// The API as the pages see it: one function, one error type, the shapes that several pages share.

export type Words = { ja: string; en: string };
export type FieldProblem = { field: string; code: string; ja: string; en: string };

export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly words: Words,
    readonly errors: FieldProblem[],
  ) {
    super(code);
  }
}

export const unreachable = new ApiProblem(
  0,
  "offline",
  {
    ja: "サーバにつながりません。ネットワークを確かめてください。表示は最後に読めた内容です。",
    en: "The server cannot be reached. What you see is the last that was read.",
  },
  [],
);

// Sent, and no answer came back: it may have been done all the same.
export const unknownOutcome = new ApiProblem(
  0,
  "outcome-unknown",
  {
    ja: "送りましたが、返事がありません。済んでいるかもしれません。もう一度行う前に、できているかを確かめてください。",
    en: "It was sent, but no answer came back. It may have been done: look before you do it again.",
  },
  [],
);

export async function problemOf(response: Response): Promise<ApiProblem> {
  const problem = ((await response.json().catch(() => null)) ?? {}) as {
    code?: string;
    title?: string;
    title_ja?: string;
    errors?: FieldProblem[];
  };
  return new ApiProblem(
    response.status,
    problem.code ?? "unknown",
    { ja: problem.title_ja ?? "うまくいきませんでした。", en: problem.title ?? "Something went wrong." },
    problem.errors ?? [],
  );
}

// What was sent and not answered yet, with the key under which the server does it once: whoever sends the same again,
// because no answer came, does not make it twice.
const unansweredKeys = new Map<string, string>();
const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  let response: Response;
  const raw = body instanceof Blob;
  if (!navigator.onLine) throw unreachable;
  const sent = method === "POST" && !raw ? `${path}\n${JSON.stringify(body)}` : "";
  const key = sent && (unansweredKeys.get(sent) ?? newKey());
  if (sent) unansweredKeys.set(sent, key);
  const once: Record<string, string> = sent ? { "Idempotency-Key": key } : {};
  const unanswered = method === "GET" || path === "/api/v1/session" ? unreachable : unknownOutcome;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: {
        "X-Mamori": "1",
        ...(body === undefined || raw ? {} : { "Content-Type": "application/json" }),
        ...once,
        ...headers,
      },
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    });
  } catch {
    throw unanswered;
  }
  if (response.status !== 502 && response.status !== 504) unansweredKeys.delete(sent);
  if (response.status === 204) return undefined as T;
  if (!response.ok) {
    // A gateway that gave up waiting knows no more than we do.
    if (response.status === 502 || response.status === 504) throw unanswered;
    throw await problemOf(response);
  }
  try {
    return (await response.json()) as T;
  } catch {
    throw unanswered; // cut off in the middle of the answer
  }
}

export const get = <T>(path: string) => call<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}) => call<T>("POST", path, body);

export function query(values: Record<string, string | number | boolean | undefined>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== "" && value !== false) search.set(key, String(value));
  const text = search.toString();
  return text ? `?${text}` : "";
}

export type Verdict = "met" | "gap" | "stale" | "no_evidence" | "not_applicable";
export type Facility = { id: string; name: string; kind?: string; permissions: string[] };
export type Me = {
  id: string;
  login: string;
  name: string;
  totp: boolean;
  facilities: Facility[];
  more_facilities: boolean;
  session: string;
};
export type Choice = { value: string; label: Words };
export type FieldInfo = {
  name: string;
  type: string;
  label: Words;
  help?: Words;
  required: boolean;
  list: boolean;
  to?: string;
  initial?: string;
  choices?: Choice[];
  longest: number;
};
export type RegisterInfo = {
  name: string;
  label: Words;
  description: Words;
  hint: Words;
  group: string;
  observed: boolean;
  numbered: boolean;
  writable: boolean;
  count: number;
  requirements: string[];
  fields: FieldInfo[];
  example: Record<string, string>;
};
export type Value = string | number | boolean | null;
export type RecordInfo = {
  id: string;
  register: string;
  number: string;
  label: string;
  version: number;
  updated_at: string;
  created_at: string;
  retired_at?: string;
  retired_reason?: string;
  fields: Record<string, Value>;
  refs: Record<string, string>;
};
export type Page<T> = { items: T[]; total: number; next: string };
export type JournalEntry = {
  sequence: number;
  at: string;
  actor: string;
  origin: string;
  subject: string;
  record: string;
  action: string;
  before: Record<string, Value> | null;
  after: Record<string, Value> | null;
  reason: string;
  hash: string;
};
export type Declaration = {
  answer: "yes" | "no" | "not_applicable";
  confirmed_on: string;
  target_on: string;
  remark: string;
  by: string;
  at: string;
  round: number;
};
export type EvidenceInfo = {
  register: string;
  observed_at: string | null;
  life_days: number;
  stale: boolean;
  sources: string[];
};
export type RecordRef = { register: string; id: string; label: string; detail?: string };
export type ControlInfo = {
  control: string;
  title: Words;
  verdict: Verdict;
  why: string;
  subjects: number;
  violations: number;
  records: RecordRef[];
  evidence: EvidenceInfo[];
  next_step: Words;
  link: string;
  about: string;
  since?: string;
};
export type ItemInfo = {
  item: string;
  number: string;
  object: Words;
  text: Words;
  requirements: string[];
  verdict: Verdict;
  declared: Declaration | null;
  rounds: Declaration[];
  contradiction: string | null;
  next_step: Words;
  link: string;
  controls: ControlInfo[];
  level?: number;
  levels?: { level: number; text: Words }[];
};
export type FrameworkSummary = {
  framework: string;
  title: Words;
  source: Words;
  edition: string;
  per_vendor: boolean;
  level_wanted: number;
  items_total: number;
  counts: Record<Verdict, number>;
  contradictions: number;
  declared: number;
  at: string;
};
export type FrameworkInfo = Omit<FrameworkSummary, "items"> & { items: ItemInfo[] };
