// The API as the pages see it: one function for each method, one error type.
import type { Answer, Asked, Body, FieldProblem, Path, Plain, Words } from "./contract";

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

async function send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
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

export function query(values: Record<string, Plain>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== "" && value !== false) search.set(key, String(value));
  const text = search.toString();
  return text ? `?${text}` : "";
}

// The address of a route: names in braces from what is asked, the rest of it behind the question mark.
export function addressOf(path: string, asked: unknown): string {
  const rest = new Map(Object.entries(asked as Record<string, Plain>));
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest.get(name);
    rest.delete(name);
    return encodeURIComponent(String(value));
  });
  return filled + query(Object.fromEntries(rest));
}

const matching = (seen?: { version: number }): Record<string, string> =>
  seen ? { "If-Match": `"${seen.version}"` } : {};

export const get = <P extends Path<"get">>(path: P, asked: Asked<"get", P>) =>
  send<Answer<"get", P>>("GET", addressOf(path, asked));
export const erase = <P extends Path<"delete">>(path: P, asked: Asked<"delete", P>) =>
  send<Answer<"delete", P>>("DELETE", addressOf(path, asked));
// Of the version that was seen: what was changed since is not written over.
export const patch = <P extends Path<"patch">>(
  path: P,
  asked: Asked<"patch", P>,
  body: Body<"patch", P>,
  seen?: { version: number },
) => send<Answer<"patch", P>>("PATCH", addressOf(path, asked), body, matching(seen));
export const post = <P extends Path<"post">>(
  path: P,
  asked: Asked<"post", P>,
  body: Body<"post", P>,
  seen?: { version: number },
) => send<Answer<"post", P>>("POST", addressOf(path, asked), body, matching(seen));
