import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiProblem, get, post, query, erase } from "../../api/client";
import type { Asked, Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { term } from "../../api/logs";
import { Link, useSearch } from "../../app/router";
import { useSession } from "../../app/session";
import { useDates, useLanguage, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, Dialog, FileLink, Loading, Notice, Problem, SelectField, TextField, wide } from "../../ui/ui";
import { EventDrawer } from "./EventDrawer";
import { ranges, spanOf, spanOfBar, type Span } from "./time";

const facets = ["source", "user", "patient", "action", "outcome", "host", "address", "kind", "severity"];

// Bars of how many when; each is a button that narrows the time to itself.
function Histogram({ buckets, narrow }: { buckets: { from: string; count: number }[]; narrow: (span: Span) => void }) {
  const t = useTexts();
  const dates = useDates();
  const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
  const last = buckets.at(-1);
  return (
    <figure className="histogram">
      <figcaption className="only-read">{t("logs.histogram")}</figcaption>
      <div className="bars" tabIndex={0} role="group" aria-label={t("logs.histogram")}>
        {buckets.map((bucket) => (
          <button
            key={bucket.from}
            type="button"
            title={`${dates.time(bucket.from)}${wide}${bucket.count}`}
            aria-label={`${dates.time(bucket.from)} ${bucket.count}`}
            disabled={bucket.count === 0}
            onClick={() => narrow(spanOfBar(buckets, bucket.from))}
          >
            <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true">
              <rect x="1" width="8" y={100 - (100 * bucket.count) / most} height={(100 * bucket.count) / most} />
            </svg>
          </button>
        ))}
      </div>
      <div className="axis quiet-text">
        <span>{buckets[0] && dates.time(buckets[0].from)}</span>
        <span>{t("logs.most", { n: most })}</span>
        <span>{last && dates.time(last.from)}</span>
      </div>
    </figure>
  );
}

function SavedSearches({ current, use }: { current: string; use: (search: string) => void }) {
  const t = useTexts();
  const client = useQueryClient();
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState("");
  const views = useQuery({
    queryKey: ["views", "logs"],
    queryFn: () => get("/api/v1/views", {}),
  });
  const save = useWrite({
    mutationFn: () => post("/api/v1/views", {}, { register: "logs", name, query: current }),
    onSuccess: async () => {
      setNaming(false);
      setName("");
      await client.invalidateQueries({ queryKey: ["views"] });
    },
  });
  const remove = useWrite({
    mutationFn: (id: string) => erase("/api/v1/views/{id}", { id }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["views"] }),
  });
  const own = views.data?.items.filter((view) => view.register === "logs") ?? [];
  return (
    <div className="views">
      {own.map((view) => (
        <span key={view.id} className="chip">
          <button type="button" className="link" onClick={() => use(view.query)}>
            {view.name}
          </button>
          <button type="button" aria-label={`${t("app.delete")}: ${view.name}`} onClick={() => remove.mutate(view.id)}>
            ✕
          </button>
        </span>
      ))}
      {current && (
        <Button kind="quiet" onClick={() => setNaming(true)}>
          {t("logs.save")}
        </Button>
      )}
      {naming && (
        <Dialog title={t("logs.save")} close={() => setNaming(false)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              save.mutate();
            }}
          >
            {save.error && <Problem error={save.error} />}
            <TextField
              label={t("logs.save.name")}
              required
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
            <Button kind="primary" type="submit">
              {t("app.save")}
            </Button>
          </form>
        </Dialog>
      )}
    </div>
  );
}

// A named range is counted back from the moment of asking, each time anew.
function ask(question: Asked<"get", "/api/v1/logs/search">, range: string, span: Span) {
  return get("/api/v1/logs/search", { ...question, ...spanOf(range, span, Date.now()) });
}

export function LogSearch() {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const { language } = useLanguage();
  const { facility } = useSession();
  const [search, setSearch] = useSearch();
  const asked = search.get("q") ?? "";
  const range = search.get("range") ?? (search.get("from") || search.get("to") ? "" : "7d");
  const stream = search.get("stream") ?? "";
  const live = search.get("live") === "1";
  const open = search.get("event");
  const [text, setText] = useState(asked);
  // The question also changes without the field: a count that is clicked, a saved search, the way back.
  const [known, setKnown] = useState(asked);
  if (known !== asked) {
    setKnown(asked);
    setText(asked);
  }
  // What is typed goes into the address bar after a moment of rest.
  useEffect(() => {
    if (text === asked) return;
    const timer = window.setTimeout(() => setSearch({ q: text }), 350);
    return () => window.clearTimeout(timer);
  });
  const from = search.get("from") ?? "";
  const to = search.get("to") ?? "";
  const question = { facility: facility.id, q: asked, stream };
  const key = ["logs", facility.id, asked, range, from, to, stream];
  const pages = useInfiniteQuery({
    queryKey: [...key, "page"],
    queryFn: ({ pageParam }) => ask({ ...question, before: pageParam, limit: 100 }, range, { from, to }),
    initialPageParam: "",
    getNextPageParam: (last) => (last.more ? last.items.at(-1)?.cursor : undefined),
    refetchInterval: live ? 2000 : false,
    placeholderData: (before) => before,
    retry: false,
  });
  const statistics = useQuery({
    queryKey: [...key, "statistics"],
    queryFn: () => ask({ ...question, limit: 0, statistics: true }, range, { from, to }),
    refetchInterval: live ? 10000 : false,
    placeholderData: (before) => before,
    retry: false,
  });
  const narrow = (field: string, value: string, not = false) =>
    setSearch({ q: `${asked} ${not ? "NOT " : ""}${term(field, value)}`.trim(), event: "" });
  const events = pages.data?.pages.flatMap((page) => page.items) ?? [];
  const owners = new Map(pages.data?.pages.flatMap((page) => Object.entries(page.owners)));
  // What is seen, not what came since: up to the moment at which it was asked for.
  const exported = { ...spanOf(range, { from, to }, pages.dataUpdatedAt), stream: stream || (events[0]?.stream ?? "") };
  const [openStream = "", openIndex = ""] = open?.split("/") ?? [];
  const bad = pages.error instanceof ApiProblem ? pages.error : null;
  const name = (event: Shapes["LogHit"]) => `${event.stream}/${event.index}`;
  return (
    <>
      <form
        className="log-question"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          setSearch({ q: text });
        }}
      >
        <TextField
          label={t("logs.question")}
          help={t("logs.question.help")}
          value={text}
          autoComplete="off"
          spellCheck={false}
          problem={bad?.code === "archive.query.bad" ? words(bad.words) : undefined}
          onChange={(event) => setText(event.target.value)}
        />
        <SelectField
          label={t("logs.range")}
          value={range}
          onChange={(event) => setSearch({ range: event.target.value, from: "", to: "" })}
        >
          {Object.keys(ranges).map((one) => (
            <option key={one} value={one}>
              {t(`logs.range.${one}` as TextKey)}
            </option>
          ))}
          <option value="all">{t("logs.range.all")}</option>
          {range === "" && <option value="">{`${from && dates.time(from)} – ${to && dates.time(to)}`}</option>}
        </SelectField>
        <SelectField
          label={t("logs.stream")}
          value={stream}
          onChange={(event) => setSearch({ stream: event.target.value })}
        >
          <option value="">{t("logs.stream.all")}</option>
          {["access", "events", "network", "journal"].map((one) => (
            <option key={one} value={one}>
              {t(`logs.stream.${one}` as TextKey)}
            </option>
          ))}
        </SelectField>
        <label className="check">
          <input
            type="checkbox"
            checked={live}
            onChange={(event) => setSearch({ live: event.target.checked ? "1" : "" })}
          />
          {t("logs.live")}
        </label>
      </form>
      <SavedSearches current={asked} use={(q) => setSearch({ q })} />
      {bad && bad.code !== "archive.query.bad" && <Problem error={bad} retry={() => void pages.refetch()} />}
      {statistics.data?.histogram && statistics.data.histogram.length > 0 && (statistics.data.total ?? 0) > 0 && (
        <Histogram buckets={statistics.data.histogram} narrow={(span) => setSearch({ ...span, range: "" })} />
      )}
      {pages.data?.pages[0]?.damage.map((damage) => (
        <div key={damage.first} className="notice bad" role="alert">
          {words(damage.what)}（{damage.first}–{damage.last}）
        </div>
      ))}
      <div className="log-columns">
        <aside aria-label={t("logs.counts")}>
          <p className="log-total" aria-live="polite">
            {statistics.data?.total !== undefined &&
              t(statistics.data.partial ? "logs.total.partial" : "logs.total", {
                n: statistics.data.total.toLocaleString(),
              })}
          </p>
          {facets
            .map((field) => ({ field, entries: statistics.data?.counts?.[field] ?? [] }))
            .filter(({ entries }) => entries.length > 0)
            .map(({ field, entries }) => (
              <details key={field} open={["user", "patient", "outcome", "source"].includes(field)}>
                <summary>{t(`logs.field.${field}` as TextKey)}</summary>
                <ul>
                  {entries.slice(0, 8).map((entry) => (
                    <li key={entry.value}>
                      <button type="button" className="link" onClick={() => narrow(field, entry.value)}>
                        {entry.value}
                      </button>
                      <span className="quiet-text">{entry.count.toLocaleString()}</span>
                      <button
                        type="button"
                        className="not"
                        aria-label={t("logs.without", { value: entry.value })}
                        title={t("logs.without", { value: entry.value })}
                        onClick={() => narrow(field, entry.value, true)}
                      >
                        −
                      </button>
                    </li>
                  ))}
                </ul>
              </details>
            ))}
          {events[0] && (
            <p className="actions">
              {(["xlsx", "csv", "jsonl"] as const).map((format) => (
                <FileLink
                  key={format}
                  className="button secondary"
                  href={`/api/v1/logs/export${query({ facility: facility.id, q: asked, ...exported, format, language })}`}
                >
                  {t(`logs.export.${format}`)}
                </FileLink>
              ))}
            </p>
          )}
        </aside>
        <section aria-label={t("logs.events")}>
          {pages.isPending && <Loading />}
          {pages.data && events.length === 0 && !bad && (
            <div className="empty">
              <p>{asked ? t("logs.none") : t("logs.empty")}</p>
              {!asked && (
                <p>
                  <Link className="button primary" to="/logs/sources">
                    {t("logs.empty.go")}
                  </Link>
                </p>
              )}
            </div>
          )}
          <ol className="events">
            {events.map((event) => (
              <li key={name(event)}>
                <button
                  type="button"
                  className={event.fields.outcome === "failure" ? "event failed" : "event"}
                  onClick={() => setSearch({ event: name(event) })}
                >
                  <time dateTime={event.time}>{dates.seconds(event.time)}</time>
                  <span className="event-who">
                    {event.fields.outcome === "failure" && <span className="sign gap">× {t("logs.failure")}</span>}{" "}
                    {event.fields.user && <strong>{event.fields.user}</strong>}
                    {event.fields.user && <> {owners.get(event.fields.user)?.name}</>} {event.fields.action}{" "}
                    {event.fields.patient && (
                      <span className="chip">
                        {t("logs.field.patient")} {event.fields.patient}
                      </span>
                    )}{" "}
                    <span className="quiet-text">
                      {event.fields.host}
                      {wide}
                      {event.fields.source}
                    </span>
                  </span>
                  <span className="event-raw">{event.raw.slice(0, 400)}</span>
                </button>
              </li>
            ))}
          </ol>
          {pages.hasNextPage && (
            <p>
              <Button onClick={() => void pages.fetchNextPage()} disabled={pages.isFetchingNextPage}>
                {t("app.more")}
              </Button>
            </p>
          )}
          {statistics.data?.partial && <Notice kind="plain">{t("logs.partial")}</Notice>}
        </section>
      </div>
      {open && (
        <EventDrawer
          key={open}
          stream={openStream}
          index={openIndex}
          narrow={narrow}
          close={() => setSearch({ event: "" })}
        />
      )}
    </>
  );
}
