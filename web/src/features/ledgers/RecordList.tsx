import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { call, get, post, query, type Page, type RecordInfo, type RegisterInfo } from "../../api/client";
import { useWrite } from "../../api/write";
import { Link, useRouter, useSearch } from "../../app/router";
import { useMay, useSession } from "../../app/session";
import { useLanguage, useTexts, useWords } from "../../texts/context";
import { Button, Dialog, FileLink, Loading, Notice, PageHead, Problem, QueryView, TextField } from "../../ui/ui";
import { keepColumns, readColumns } from "./columns";
import { canCondition, conditionOn, conditionsIn, fieldOf } from "./conditions";
import { RecordForm } from "./RecordForm";
import { useRegisters, useShown } from "../../app/registers";

// One register: search, filters from the address bar, sort by heading, columns to choose, saved views, j/k/Enter and /.
export function RecordList({ register }: { register: string }) {
  const registers = useRegisters();
  return (
    <QueryView query={registers}>
      {(data) => {
        const info = data.items.find((one) => one.name === register);
        return info ? <List info={info} /> : <Missing />;
      }}
    </QueryView>
  );
}

function Missing() {
  const t = useTexts();
  return <PageHead title={t("app.not_found")} />;
}

function Views({ info, current }: { info: RegisterInfo; current: string }) {
  const t = useTexts();
  const client = useQueryClient();
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState("");
  const views = useQuery({
    queryKey: ["views"],
    queryFn: () => get<{ items: { id: string; register: string; name: string; query: string }[] }>("/api/v1/views"),
  });
  const save = useWrite({
    mutationFn: () => post("/api/v1/views", { register: info.name, name, query: current }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["views"] });
      setNaming(false);
      setName("");
    },
  });
  const remove = useWrite({
    mutationFn: (id: string) => call("DELETE", `/api/v1/views/${id}`),
    onSuccess: () => client.invalidateQueries({ queryKey: ["views"] }),
  });
  const mine = views.data?.items.filter((view) => view.register === info.name) ?? [];
  return (
    <div className="views">
      {mine.map((view) => (
        <span key={view.id} className="chip">
          <Link to={`/ledgers/${info.name}?${view.query}`}>{view.name}</Link>
          <button type="button" aria-label={`${t("app.close")} ${view.name}`} onClick={() => remove.mutate(view.id)}>
            ✕
          </button>
        </span>
      ))}
      {current && (
        <Button kind="quiet" onClick={() => setNaming(true)}>
          {t("ledger.save_view")}
        </Button>
      )}
      {naming && (
        <Dialog title={t("ledger.save_view")} close={() => setNaming(false)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              save.mutate();
            }}
          >
            {save.error && <Problem error={save.error} />}
            <TextField
              label={t("ledger.view_name")}
              value={name}
              required
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

// A condition: a field, then a choice, yes or no, or a part of its text.
function AddFilter({ info, add }: { info: RegisterInfo; add: (name: string, value: string) => void }) {
  const t = useTexts();
  const words = useWords();
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const field = info.fields.find((one) => one.name === name);
  const usable = info.fields.filter(canCondition);
  const done = (chosen: string) => {
    if (!field || !chosen) return;
    add(conditionOn(field), chosen);
    setName("");
    setValue("");
  };
  return (
    <>
      <div className="field">
        <label htmlFor="filter-field">{t("ledger.condition")}</label>
        <select
          id="filter-field"
          value={name}
          onChange={(event) => {
            setName(event.target.value);
            setValue("");
          }}
        >
          <option value="">{t("app.none")}</option>
          {usable.map((one) => (
            <option key={one.name} value={one.name}>
              {words(one.label)}
            </option>
          ))}
        </select>
      </div>
      {field && (
        <div className="field">
          <label htmlFor="filter-value">{words(field.label)}</label>
          {field.type === "choice" || field.type === "boolean" ? (
            <select id="filter-value" value="" onChange={(event) => done(event.target.value)}>
              <option value="">{t("record.unset")}</option>
              {field.type === "boolean" ? (
                <>
                  <option value="true">{t("record.yes")}</option>
                  <option value="false">{t("record.no")}</option>
                </>
              ) : (
                field.choices?.map((choice) => (
                  <option key={choice.value} value={choice.value}>
                    {words(choice.label)}
                  </option>
                ))
              )}
            </select>
          ) : (
            <input
              id="filter-value"
              type={field.type === "date" ? "date" : "text"}
              value={value}
              onChange={(event) => setValue(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter") done(value);
              }}
              onBlur={() => done(value)}
            />
          )}
        </div>
      )}
    </>
  );
}

function List({ info }: { info: RegisterInfo }) {
  const t = useTexts();
  const words = useWords();
  const { language } = useLanguage();
  const shown = useShown();
  const may = useMay();
  const { facility } = useSession();
  const { go } = useRouter();
  const [search, setSearch] = useSearch();
  const [text, setText] = useState(search.get("text") ?? "");
  const deferred = useDeferredValue(text);
  const [choosing, setChoosing] = useState(false);
  const [chosen, setChosen] = useState(() => readColumns(info));
  const [row, setRow] = useState(0);
  const box = useRef<HTMLInputElement>(null);
  const sort = search.get("sort") ?? (info.numbered ? "number" : "label");
  const descending = search.get("descending") === "true";
  const filters = conditionsIn(search);
  const values = {
    facility: facility.id,
    text: deferred,
    sort,
    descending,
    retired: search.get("retired") ?? "",
    ...Object.fromEntries(filters),
  };
  const records = useInfiniteQuery({
    queryKey: ["records", info.name, values],
    queryFn: ({ pageParam }) =>
      get<Page<RecordInfo>>(
        `/api/v1/registers/${info.name}/records${query({ ...values, cursor: pageParam, limit: 50 })}`,
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: (before) => before,
  });
  useEffect(() => setSearch({ text: deferred }), [deferred, setSearch]);
  const items = useMemo(() => records.data?.pages.flatMap((page) => page.items) ?? [], [records.data]);
  const total = records.data?.pages[0]?.total ?? 0;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, dialog")) return;
      if (event.key === "/") {
        event.preventDefault();
        box.current?.focus();
      }
      if (event.key === "j") setRow((at) => Math.min(at + 1, items.length - 1));
      if (event.key === "k") setRow((at) => Math.max(at - 1, 0));
      if (event.key === "Enter" && target.tagName !== "A" && target.tagName !== "BUTTON" && items[row])
        go(`/ledgers/${info.name}/${items[row].id}`);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [items, row, go, info.name]);
  const columns = info.fields.filter((field) => chosen.includes(field.name));
  const sortBy = (name: string) => setSearch({ sort: name, descending: sort === name && !descending ? "true" : "" });
  const heading = (name: string, label: string) => (
    <th key={name} scope="col" aria-sort={sort === name ? (descending ? "descending" : "ascending") : "none"}>
      <button type="button" onClick={() => sortBy(name)}>
        {label}
        <span aria-hidden="true">{sort === name ? (descending ? " ▼" : " ▲") : ""}</span>
      </button>
    </th>
  );
  const file = (format: string) => `/api/v1/registers/${info.name}/export${query({ ...values, format, language })}`;
  return (
    <>
      <PageHead title={words(info.label)} lead={words(info.description)}>
        {info.writable && info.name !== "facility" && (
          <Button kind="primary" onClick={() => setSearch({ new: "1" })}>
            {t("ledger.new")}
          </Button>
        )}
        {info.writable && info.name !== "facility" && may("ledger_write") && (
          <Link className="button secondary" to={`/import/${info.name}`}>
            {t("ledger.import")}
          </Link>
        )}
        <a className="button secondary" href={file("csv")}>
          {t("ledger.csv")}
        </a>
        <a className="button secondary" href={file("xlsx")}>
          {t("ledger.xlsx")}
        </a>
        {may("documents_make") && (
          <FileLink
            look
            className="button secondary"
            href={`/api/v1/documents/registers/${info.name}${query({ facility: facility.id, language })}`}
          >
            {t("ledger.pdf")}
          </FileLink>
        )}
      </PageHead>
      {info.observed && <p className="quiet-text">{t("ledger.source_observed")}</p>}
      <div className="filters">
        <div className="field">
          <label htmlFor="list-search">{t("ledger.filter")}</label>
          <input
            id="list-search"
            type="search"
            ref={box}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        {filters.map(([name, value]) => {
          const field = fieldOf(info, name);
          return (
            <span key={name} className="chip">
              {field ? words(field.label) : name}: {field ? shown(field, value) || value : value}
              <button type="button" aria-label={`${t("app.close")} ${name}`} onClick={() => setSearch({ [name]: "" })}>
                ✕
              </button>
            </span>
          );
        })}
        <AddFilter info={info} add={(name, value) => setSearch({ [name]: value })} />
        {!info.observed && (
          <label className="check">
            <input
              type="checkbox"
              checked={search.get("retired") === "included"}
              onChange={(event) => setSearch({ retired: event.target.checked ? "included" : "" })}
            />
            {t("ledger.retired")}
          </label>
        )}
        <Button kind="quiet" onClick={() => setChoosing(true)}>
          {t("ledger.columns")}
        </Button>
        <Views info={info} current={search.toString()} />
      </div>
      <p className="quiet-text" role="status">
        {t("ledger.count", { n: total.toLocaleString() })}
      </p>
      {records.error && <Problem error={records.error} retry={() => void records.refetch()} />}
      {records.isPending ? (
        <Loading />
      ) : items.length === 0 ? (
        deferred || filters.length > 0 ? (
          <Notice kind="plain">{t("ledger.none_found")}</Notice>
        ) : (
          <div className="empty">
            <p>
              <strong>{t("ledger.empty")}</strong> {words(info.hint)}
            </p>
            {Object.keys(info.example).length > 0 && (
              <p className="example" aria-hidden="true">
                {t("ledger.example")}:{" "}
                {Object.entries(info.example)
                  .map(([name, value]) => `${words(info.fields.find((field) => field.name === name)?.label)} ${value}`)
                  .join(" / ")}
              </p>
            )}
          </div>
        )
      ) : (
        <div className="table-scroll" tabIndex={0} role="region" aria-label={words(info.label)}>
          <table className="grid">
            <thead>
              <tr>
                {info.numbered && heading("number", t("ledger.number"))}
                {columns.map((field) => heading(field.name, words(field.label)))}
              </tr>
            </thead>
            <tbody>
              {items.map((record, index) => (
                <tr
                  key={record.id}
                  className={`${record.retired_at ? "retired" : ""} ${index === row ? "current" : ""}`}
                  onClick={() => go(`/ledgers/${info.name}/${record.id}`)}
                >
                  {info.numbered && (
                    <td>
                      <Link to={`/ledgers/${info.name}/${record.id}`} onClick={(event) => event.stopPropagation()}>
                        {record.number}
                      </Link>
                    </td>
                  )}
                  {columns.map((field, at) => (
                    <td key={field.name}>
                      {at === 0 && !info.numbered ? (
                        <Link to={`/ledgers/${info.name}/${record.id}`} onClick={(event) => event.stopPropagation()}>
                          {shown(field, record.fields[field.name], record.refs) || record.label}
                        </Link>
                      ) : (
                        shown(field, record.fields[field.name], record.refs)
                      )}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {records.hasNextPage && (
        <p>
          <Button onClick={() => void records.fetchNextPage()} disabled={records.isFetchingNextPage}>
            {t("app.more")}
          </Button>
        </p>
      )}
      {choosing && (
        <Dialog title={t("ledger.columns")} close={() => setChoosing(false)}>
          <div className="column-list">
            {info.fields.map((field) => (
              <label key={field.name} className="check">
                <input
                  type="checkbox"
                  checked={chosen.includes(field.name)}
                  onChange={(event) => {
                    const next = event.target.checked
                      ? [...chosen, field.name]
                      : chosen.filter((name) => name !== field.name);
                    setChosen(next);
                    keepColumns(info, next);
                  }}
                />
                {words(field.label)}
              </label>
            ))}
          </div>
        </Dialog>
      )}
      {search.get("new") && (
        <Dialog drawer title={t("record.new", { r: words(info.label) })} close={() => setSearch({ new: "" })}>
          <RecordForm
            info={info}
            done={(record) => {
              setSearch({ new: "" });
              go(`/ledgers/${info.name}/${record.id}`);
            }}
          />
        </Dialog>
      )}
    </>
  );
}
