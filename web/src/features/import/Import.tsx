import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiProblem, get, post, query } from "../../api/client";
import type { Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { useRegisters } from "../../app/registers";
import { Link, useRouter } from "../../app/router";
import { useSession } from "../../app/session";
import { useDates, useLanguage, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, ErrorSummary, FileLink, Notice, PageHead, QueryView, SelectField, wide } from "../../ui/ui";
import { byRegister } from "./made";

type Plan = Shapes["ImportPlan"];
type Undone = Shapes["ImportUndone"];
const outcomes = ["new", "changed", "unchanged", "rejected"] as const;

// What was imported lately, and its undo: also after the page was left.
function Recent({ label }: { label: (register: string) => string }) {
  const t = useTexts();
  const dates = useDates();
  const { facility } = useSession();
  const client = useQueryClient();
  const recent = useQuery({
    queryKey: ["imports", facility.id],
    queryFn: () => get("/api/v1/imports", {}),
  });
  const undo = useWrite({
    mutationFn: (id: string) => post("/api/v1/imports/{id}/undo", { id }, {}),
    onSettled: () => client.invalidateQueries(),
  });
  return (
    <section aria-labelledby="recent">
      <h2 id="recent">{t("import.recent")}</h2>
      <ErrorSummary error={undo.error} />
      {undo.data && <UndoneNotice undone={undo.data} />}
      <QueryView query={recent}>
        {(data) => {
          const items = data.items.filter((one) => one.facility === facility.id && one.state !== "pending");
          if (items.length === 0) return <p className="quiet-text">{t("import.recent.none")}</p>;
          return (
            <ul className="document-list">
              {items.map((one) => (
                <li key={one.id}>
                  <span>
                    {dates.time(one.at)}
                    {wide}
                    {label(one.register)}
                    {wide}
                    {one.file}
                    {wide}
                    {t("import.done", { a: one.created, b: one.changed })}
                  </span>
                  <span className="actions">
                    {one.state === "undone" ? (
                      t("import.state.undone")
                    ) : (
                      <Button
                        disabled={undo.isPending}
                        aria-label={`${t("import.undo")} ${one.file} ${dates.time(one.at)}`}
                        onClick={() => undo.mutate(one.id)}
                      >
                        {t("import.undo")}
                      </Button>
                    )}
                  </span>
                </li>
              ))}
            </ul>
          );
        }}
      </QueryView>
    </section>
  );
}

function UndoneNotice({ undone }: { undone: Undone }) {
  const t = useTexts();
  return (
    <Notice>
      <p>{t("import.undone", { n: undone.undone })}</p>
      {undone.kept.length > 0 && (
        <>
          <p>{t("import.kept")}</p>
          <ul>
            {undone.kept.map((one) => (
              <li key={one.id}>{`${one.number} ${one.label}`.trim()}</li>
            ))}
          </ul>
        </>
      )}
    </Notice>
  );
}

// Drop a file → what was understood → preview by line → result with undo.
export function Import({ register }: { register?: string }) {
  const t = useTexts();
  const words = useWords();
  const { language } = useLanguage();
  const { facility } = useSession();
  const { go } = useRouter();
  const client = useQueryClient();
  const registers = useRegisters();
  const [file, setFile] = useState<File | null>(null);
  const [plan, setPlan] = useState<Plan | null>(null);
  const [make, setMake] = useState(true);
  const [mapping, setMapping] = useState<Record<string, string>>({});
  const chosen = register ?? "asset";
  const read = useWrite({
    mutationFn: (sheet: File) =>
      post("/api/v1/imports", { register: chosen, facility: facility.id, file: sheet.name }, sheet),
    // What an earlier file said goes with it, whatever becomes of this one.
    onMutate: () => {
      setPlan(null);
      apply.reset();
      undo.reset();
      again.reset();
    },
    onSuccess: (made) => {
      setPlan(made);
      setMapping({});
      setMake(true);
    },
  });
  const again = useWrite({
    mutationFn: ({ of, sheet = of.sheet, making = make }: { of: Plan; sheet?: string; making?: boolean }) =>
      post(
        "/api/v1/imports/{id}/plan",
        { id: of.id },
        {
          mapping,
          make: making,
          sheet,
          heading_line: of.recognised === false && sheet === of.sheet ? of.heading_line : 0,
        },
      ),
    onSuccess: (made) => setPlan({ ...made, recognised: true }),
  });
  const apply = useWrite({
    mutationFn: ({ of, mode }: { of: Plan; mode: "good" | "all" }) =>
      post("/api/v1/imports/{id}/apply", { id: of.id }, { mode }),
    onSettled: () => client.invalidateQueries(),
  });
  const undo = useWrite({
    mutationFn: (of: Plan) => post("/api/v1/imports/{id}/undo", { id: of.id }, {}),
    onSuccess: () => client.invalidateQueries(),
  });
  // Applied elsewhere meanwhile (another window, an answer that was lost): the list below has it, with its undo.
  const elsewhere =
    apply.error instanceof ApiProblem && (apply.error.status === 409 || apply.error.code === "outcome-unknown");
  const good = plan ? (plan.counts.new ?? 0) + (plan.counts.changed ?? 0) : 0;
  return (
    <>
      <PageHead title={t("import.title")} lead={t("import.lead")} />
      <QueryView query={registers}>
        {(data) => {
          const info = data.items.find((one) => one.name === chosen);
          return (
            <>
              <form
                className="import-start"
                onSubmit={(event) => {
                  event.preventDefault();
                  if (file) read.mutate(file);
                }}
                onDragOver={(event) => event.preventDefault()}
                onDrop={(event) => {
                  event.preventDefault();
                  setFile(event.dataTransfer.files[0] ?? null);
                }}
              >
                <SelectField
                  label={t("import.register")}
                  value={chosen}
                  onChange={(event) => {
                    setPlan(null);
                    go(`/import/${event.target.value}`);
                  }}
                >
                  {data.items
                    .filter((one) => one.writable && one.name !== "facility")
                    .map((one) => (
                      <option key={one.name} value={one.name}>
                        {words(one.label)}
                      </option>
                    ))}
                </SelectField>
                <div className="field">
                  <label htmlFor="import-file">{t("import.file")}</label>
                  <input
                    id="import-file"
                    type="file"
                    accept=".csv,.xlsx,.txt,.tsv"
                    onChange={(event) => setFile(event.target.files?.[0] ?? null)}
                  />
                </div>
                <Button kind="primary" type="submit" disabled={!file || read.isPending}>
                  {t("import.read")}
                </Button>
              </form>
              <ErrorSummary error={read.error ?? again.error ?? apply.error ?? undo.error} />
              {elsewhere && <Notice kind="plain">{t("import.elsewhere")}</Notice>}
              {undo.data ? (
                <UndoneNotice undone={undo.data} />
              ) : (
                plan &&
                apply.data && (
                  <Notice>
                    <p>
                      {t("import.done", { a: apply.data.created, b: apply.data.changed })}
                      {apply.data.made > 0 && t("import.made", { n: apply.data.made })}
                    </p>
                    <p className="actions">
                      <Link className="button secondary" to={`/ledgers/${chosen}`}>
                        {t("import.open")}
                      </Link>
                      <Button disabled={undo.isPending} onClick={() => undo.mutate(plan)}>
                        {t("import.undo")}
                      </Button>
                    </p>
                  </Notice>
                )
              )}
              {plan && info && (
                <>
                  <section aria-labelledby="understood">
                    <h2 id="understood">{t("import.understood")}</h2>
                    {plan.recognised === false && <Notice kind="plain">{t("import.unknown")}</Notice>}
                    <p>{t("import.heading_line", { n: plan.heading_line })}</p>
                    {plan.sheets.length > 1 && (
                      <SelectField
                        label={t("import.sheet")}
                        value={plan.sheet}
                        onChange={(event) => again.mutate({ of: plan, sheet: event.target.value })}
                      >
                        {plan.sheets.map((sheet) => (
                          <option key={sheet}>{sheet}</option>
                        ))}
                      </SelectField>
                    )}
                    <div className="table-scroll" tabIndex={0} role="region" aria-label={t("import.column")}>
                      <table className="grid plain">
                        <thead>
                          <tr>
                            <th scope="col">{t("import.column")}</th>
                            <th scope="col">{t("import.field")}</th>
                            <th scope="col">{t("import.samples")}</th>
                          </tr>
                        </thead>
                        <tbody>
                          {plan.columns
                            .filter((column) => column.heading)
                            .map((column) => (
                              <tr key={column.heading}>
                                <td>{column.heading}</td>
                                <td>
                                  <select
                                    aria-label={`${column.heading}: ${t("import.field")}`}
                                    value={mapping[column.heading] ?? column.field}
                                    onChange={(event) =>
                                      setMapping({ ...mapping, [column.heading]: event.target.value })
                                    }
                                  >
                                    <option value="">{t("import.skip")}</option>
                                    {info.numbered && <option value="number">{t("ledger.number")}</option>}
                                    {info.fields.map((field) => (
                                      <option key={field.name} value={field.name}>
                                        {words(field.label)}
                                      </option>
                                    ))}
                                  </select>
                                </td>
                                <td className="quiet-text">{column.samples.join(" / ")}</td>
                              </tr>
                            ))}
                        </tbody>
                      </table>
                    </div>
                    {Object.keys(mapping).length > 0 && (
                      <Button kind="primary" onClick={() => again.mutate({ of: plan })}>
                        {t("import.again")}
                      </Button>
                    )}
                  </section>
                  <section aria-labelledby="lines">
                    <h2 id="lines">{t("import.lines")}</h2>
                    <p className="counts">
                      {outcomes.map((outcome) => (
                        <span key={outcome} className={`sign outcome-${outcome}`}>
                          {t(`import.outcome.${outcome}`)} {plan.counts[outcome] ?? 0}
                        </span>
                      ))}
                    </p>
                    {(plan.made.length > 0 || !make) && !apply.data && (
                      <div className="field">
                        <label className="check">
                          <input
                            type="checkbox"
                            checked={make}
                            disabled={again.isPending}
                            onChange={(event) => {
                              setMake(event.target.checked);
                              again.mutate({ of: plan, making: event.target.checked });
                            }}
                          />
                          {t("import.make")}
                        </label>
                        {plan.made.length > 0 && (
                          <ul className="help">
                            {byRegister(plan.made).map(({ register: name, label, names }) => (
                              <li key={name}>
                                {words(label)}: {names.slice(0, 30).join(language === "ja" ? "、" : ", ")}
                                {names.length > 30 && " …"} ({names.length})
                              </li>
                            ))}
                          </ul>
                        )}
                      </div>
                    )}
                    {!apply.data && !elsewhere && (
                      <p className="actions">
                        <Button
                          kind="primary"
                          disabled={good === 0 || apply.isPending}
                          onClick={() => apply.mutate({ of: plan, mode: "good" })}
                        >
                          {t("import.apply", { n: good })}
                        </Button>
                        {(plan.counts.rejected ?? 0) > 0 && (
                          <Button disabled={apply.isPending} onClick={() => apply.mutate({ of: plan, mode: "all" })}>
                            {t("import.apply_all")}
                          </Button>
                        )}
                        {(plan.counts.rejected ?? 0) > 0 && (
                          <FileLink
                            className="button secondary"
                            href={`/api/v1/imports/${plan.id}/rejected${query({ language })}`}
                          >
                            {t("import.rejected_file")}
                          </FileLink>
                        )}
                      </p>
                    )}
                    <div className="table-scroll" tabIndex={0} role="region" aria-label={t("import.outcome")}>
                      <table className="grid plain">
                        <thead>
                          <tr>
                            <th scope="col">{t("import.line")}</th>
                            <th scope="col">{t("import.outcome")}</th>
                            <th scope="col">{t("import.reason")}</th>
                          </tr>
                        </thead>
                        <tbody>
                          {plan.lines.slice(0, 200).map((line) => (
                            <tr key={line.line}>
                              <td>{line.line}</td>
                              <td>
                                <span className={`sign outcome-${line.outcome}`}>
                                  {t(`import.outcome.${line.outcome}` as TextKey)}
                                </span>
                              </td>
                              <td>
                                {line.problems.map((problem, index) => (
                                  <p key={index} className="problem">
                                    {problem[language]}
                                  </p>
                                ))}
                                <span className="quiet-text">{line.cells.filter(Boolean).join(" / ")}</span>
                              </td>
                            </tr>
                          ))}
                        </tbody>
                      </table>
                    </div>
                  </section>
                </>
              )}
              <Recent
                label={(name) => words(data.items.find((one) => one.name === name)?.label ?? { ja: name, en: name })}
              />
            </>
          );
        }}
      </QueryView>
    </>
  );
}
