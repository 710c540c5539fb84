import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { query } from "../../api/client";
import type { RegisterInfo } from "../../api/contract";
import { useRegisters, useShown } from "../../app/registers";
import { Link, useRouter, useSearch } from "../../app/router";
import { useMay, useSession } from "../../app/session";
import { useLanguage, useTexts, useWords } from "../../texts/context";
import { Button, Dialog, FileLink, Loading, Notice, PageHead, Problem, QueryView } from "../../ui/ui";
import { AddCondition } from "./AddCondition";
import { keepColumns, readColumns } from "./columns";
import { conditionsIn, fieldOf } from "./conditions";
import { isElsewhere } from "./keys";
import { RecordForm } from "./RecordForm";
import { RecordTable } from "./RecordTable";
import { useRows, type Asked } from "./rows";
import { Views } from "./Views";

// One register: search, filters from the address bar, sort by heading, columns to choose, saved views, / for the search.
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

function Empty({ info }: { info: RegisterInfo }) {
  const t = useTexts();
  const words = useWords();
  return (
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
  const text = search.get("text") ?? "";
  const [choosing, setChoosing] = useState(false);
  const [chosen, setChosen] = useState(() => readColumns(info));
  const box = useRef<HTMLInputElement>(null);
  const sort = search.get("sort") ?? (info.numbered ? "number" : "label");
  const descending = search.get("descending") === "true";
  const conditions = conditionsIn(search);
  const values: Asked = {
    facility: facility.id,
    text: useDeferredValue(text),
    retired: search.get("retired") ?? "",
    ...Object.fromEntries(conditions),
    sort,
    descending,
  };
  const list = useRows(info.name, values);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "/" || isElsewhere(event)) return;
      event.preventDefault();
      box.current?.focus();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  const fields = useMemo(() => info.fields.filter((field) => chosen.includes(field.name)), [info, chosen]);
  const sortBy = (name: string) => setSearch({ sort: name, descending: sort === name && !descending ? "true" : "" });
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
            onChange={(event) => setSearch({ text: event.target.value })}
          />
        </div>
        {conditions.map(([name, value]) => {
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
        <AddCondition info={info} add={(name, value) => setSearch({ [name]: value })} />
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
        {t("ledger.count", { n: list.total.toLocaleString() })}
      </p>
      {list.error && <Problem error={list.error} retry={list.again} />}
      {list.isPending && !list.error && <Loading />}
      {!list.isPending && list.total > 0 && (
        <RecordTable info={info} fields={fields} list={list} sort={sort} descending={descending} sortBy={sortBy} />
      )}
      {!list.isPending &&
        list.total === 0 &&
        (text || conditions.length > 0 ? (
          <Notice kind="plain">{t("ledger.none_found")}</Notice>
        ) : (
          <Empty info={info} />
        ))}
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
