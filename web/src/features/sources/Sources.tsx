import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { get, patch, post } from "../../api/client";
import type { FieldInfo, RecordInfo, Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { useRegisters } from "../../app/registers";
import { useSearch } from "../../app/router";
import { useMay, useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import { PlainField } from "../../ui/PlainField";
import {
  Button,
  Dialog,
  ErrorSummary,
  Notice,
  PageHead,
  Problem,
  QueryView,
  SelectField,
  Sign,
  TextField,
  useProblemText,
  wide,
} from "../../ui/ui";

type Source = Shapes["Source"];
type Kind = Shapes["Reader"];

const useKinds = () =>
  useQuery({ queryKey: ["readers"], queryFn: () => get("/api/v1/readers", {}), staleTime: Infinity });

// A new source, or a change of one. An empty password leaves the kept one as it is.
function SourceForm({ source, kinds, close }: { source?: Source; kinds: Kind[]; close: () => void }) {
  const t = useTexts();
  const words = useWords();
  const client = useQueryClient();
  const prefix = useId();
  const { facility } = useSession();
  const [form, setForm] = useState({
    name: source?.name ?? "",
    kind: source?.kind ?? kinds[0]?.kind ?? "",
    secret: "",
    every: String(source?.every_minutes ?? 1440),
    enabled: source?.enabled ?? true,
  });
  const [settings, setSettings] = useState<Record<string, string>>(() =>
    Object.fromEntries(Object.entries(source?.settings ?? {}).map(([name, value]) => [name, String(value)])),
  );
  const set = (values: Partial<typeof form>) => setForm({ ...form, ...values });
  const kind = kinds.find((one) => one.kind === form.kind);
  const value = (field: FieldInfo) => settings[field.name] ?? (source ? "" : (field.initial ?? ""));
  const make = useWrite({
    mutationFn: () => {
      const given = Object.fromEntries((kind?.fields ?? []).map((field) => [field.name, value(field) || null]));
      const body = {
        name: form.name,
        kind: form.kind,
        every_minutes: Number(form.every),
        enabled: form.enabled,
        settings: given,
        ...(form.secret || !source ? { secret: form.secret } : {}),
      };
      return source
        ? patch("/api/v1/sources/{id}", { id: source.id }, body)
        : post("/api/v1/sources", { facility: facility.id }, body);
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["sources"] });
      close();
    },
  });
  const wrong = useProblemText(make.error);
  const ids = Object.fromEntries(
    [...(kind?.fields ?? []).map((field) => field.name), "name", "kind", "secret", "every_minutes"].map((name) => [
      name,
      `${prefix}${name}`,
    ]),
  );
  return (
    <Dialog drawer title={source ? t("sources.edit", { name: source.name }) : t("sources.new")} close={close}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <ErrorSummary error={make.error} ids={ids} />
        <SelectField
          id={ids.kind}
          label={t("sources.kind")}
          value={form.kind}
          disabled={!!source}
          help={kind && words(kind.description)}
          onChange={(event) => {
            set({ kind: event.target.value });
            setSettings({});
          }}
        >
          {kinds.map((one) => (
            <option key={one.kind} value={one.kind}>
              {words(one.label)}
            </option>
          ))}
        </SelectField>
        <TextField
          id={ids.name}
          label={t("sources.name")}
          required
          value={form.name}
          problem={wrong("name")}
          onChange={(event) => set({ name: event.target.value })}
        />
        {kind?.fields.map((field) => (
          <PlainField
            key={`${kind.kind} ${field.name}`}
            id={`${prefix}${field.name}`}
            field={field}
            value={value(field)}
            problem={wrong(field.name)}
            change={(text) => setSettings((before) => ({ ...before, [field.name]: text }))}
          />
        ))}
        {kind?.secret && (
          <TextField
            id={ids.secret}
            problem={wrong("secret")}
            label={`${words(kind.secret)}${source ? t("sources.secret.keep") : ""}`}
            type="password"
            autoComplete="new-password"
            value={form.secret}
            onChange={(event) => set({ secret: event.target.value })}
          />
        )}
        <SelectField
          id={ids.every_minutes}
          label={t("sources.every")}
          value={form.every}
          problem={wrong("every_minutes")}
          onChange={(event) => set({ every: event.target.value })}
        >
          <option value="0">{t("sources.by_hand")}</option>
          {[60, 360, 720, 1440, 10080].map((minutes) => (
            <option key={minutes} value={minutes}>
              {t("sources.hours", { n: minutes / 60 })}
            </option>
          ))}
        </SelectField>
        {source && (
          <label className="check">
            <input
              type="checkbox"
              checked={form.enabled}
              onChange={(event) => set({ enabled: event.target.checked })}
            />
            {t("sources.enabled")}
          </label>
        )}
        <div className="actions">
          <Button kind="primary" type="submit" disabled={make.isPending}>
            {t("app.save")}
          </Button>
          <Button onClick={close}>{t("app.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

// What it said is taken back with it; its runs stay in the journal.
function RetireSource({ source, close }: { source: Source; close: () => void }) {
  const t = useTexts();
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const retire = useWrite({
    mutationFn: () => post("/api/v1/sources/{id}/retire", { id: source.id }, { reason }),
    onSuccess: async () => {
      close();
      await client.invalidateQueries();
    },
  });
  const wrong = useProblemText(retire.error);
  return (
    <Dialog title={t("sources.retire.title", { name: source.name })} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          retire.mutate();
        }}
      >
        <ErrorSummary error={retire.error} />
        <p>{t("sources.retire.lead")}</p>
        <TextField
          label={t("sources.retire.reason")}
          required
          value={reason}
          problem={wrong("reason")}
          onChange={(event) => setReason(event.target.value)}
        />
        <div className="actions">
          <Button kind="danger" type="submit" disabled={retire.isPending}>
            {t("sources.retire")}
          </Button>
          <Button onClick={close}>{t("app.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function SourceRow({ source, kinds }: { source: Source; kinds: Kind[] }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const may = useMay();
  const client = useQueryClient();
  const done = () => client.invalidateQueries();
  const run = useWrite({ mutationFn: () => post("/api/v1/sources/{id}/run", { id: source.id }, {}), onSuccess: done });
  const file = useWrite({
    mutationFn: (chosen: File) => post("/api/v1/sources/{id}/file", { id: source.id }, chosen),
    onSuccess: done,
  });
  const [editing, setEditing] = useState(false);
  const [retiring, setRetiring] = useState(false);
  const result = run.data ?? file.data;
  const id = `file-${source.id}`;
  return (
    <li className="source">
      <div className="source-head">
        <h2>{source.name}</h2>
        <span className="chip">{words(kinds.find((kind) => kind.kind === source.kind)?.label) || source.kind}</span>
        {!source.enabled && <span className="chip">{t("sources.disabled")}</span>}
        {source.last_origin === "file" && <span className="chip">{t("sources.from_file")}</span>}
        {source.failing_since ? (
          <Sign verdict="gap" />
        ) : source.last_success_at ? (
          <Sign verdict="met" />
        ) : (
          <Sign verdict="no_evidence" />
        )}
      </div>
      <p className="quiet-text">
        {t("sources.last")}:{" "}
        {source.last_success_at ? (
          <time dateTime={source.last_success_at} title={dates.time(source.last_success_at)}>
            {dates.ago(source.last_success_at)}
          </time>
        ) : (
          t("sources.never")
        )}
        {wide}
        {t("sources.every")}:{" "}
        {source.every_minutes ? t("sources.hours", { n: source.every_minutes / 60 }) : t("sources.by_hand")}
      </p>
      {source.failing_since && source.last_error_text && (
        <div className="notice bad">
          <p>{t("sources.failing", { on: dates.time(source.failing_since) })}</p>
          <p>{words(source.last_error_text)}</p>
        </div>
      )}
      {(run.error ?? file.error) && <Problem error={run.error ?? file.error} />}
      {result?.partial && <Notice kind="plain">{t("sources.partial")}</Notice>}
      {result &&
        (result.error_text ? (
          <div className="notice bad" role="alert">
            {words(result.error_text)}
          </div>
        ) : (
          Object.entries(result.counts).map(([reg, count]) => (
            <Notice key={reg}>{t("sources.result", { a: count.fresh, b: count.known, c: count.gone })}</Notice>
          ))
        ))}
      {may("sources_manage") && (
        <div className="actions">
          <Button
            onClick={() => run.mutate()}
            disabled={run.isPending}
            aria-label={`${t("sources.run")}: ${source.name}`}
          >
            {run.isPending ? t("app.loading") : t("sources.run")}
          </Button>
          <Button onClick={() => setEditing(true)} aria-label={`${t("sources.change")}: ${source.name}`}>
            {t("sources.change")}
          </Button>
          <Button kind="quiet" onClick={() => setRetiring(true)} aria-label={`${t("sources.retire")}: ${source.name}`}>
            {t("sources.retire")}
          </Button>
          <label
            className="button secondary"
            htmlFor={id}
            title={words(kinds.find((kind) => kind.kind === source.kind)?.file)}
          >
            {t("sources.file")}
            <span className="only-read"> {source.name}</span>
          </label>
          <input
            id={id}
            type="file"
            className="only-read"
            onChange={(event) => {
              const chosen = event.target.files?.[0];
              if (chosen) file.mutate(chosen);
            }}
          />
        </div>
      )}
      {retiring && <RetireSource source={source} close={() => setRetiring(false)} />}
      {editing && <SourceForm source={source} kinds={kinds} close={() => setEditing(false)} />}
    </li>
  );
}

function Candidate({ host }: { host: RecordInfo }) {
  const t = useTexts();
  const words = useWords();
  const client = useQueryClient();
  const may = useMay();
  const registers = useRegisters();
  const [mode, setMode] = useState<"" | "accept" | "explain">("");
  const [kind, setKind] = useState("pc");
  const [reason, setReason] = useState("");
  const decide = useWrite({
    mutationFn: () =>
      post(
        "/api/v1/candidates/{id}",
        { id: host.id },
        mode === "accept" ? { decision: "accept", fields: { kind } } : { decision: "explain", reason },
      ),
    onSuccess: () => client.invalidateQueries(),
  });
  const wrong = useProblemText(decide.error);
  const kinds =
    registers.data?.items.find((one) => one.name === "asset")?.fields.find((field) => field.name === "kind")?.choices ??
    [];
  return (
    <li className="source">
      <p>
        <strong>{host.label}</strong>
        {wide}
        {String(host.fields.mac ?? "")}
        {wide}
        {String(host.fields.maker ?? "")}
        {wide}
        <span className="quiet-text">{String(host.fields.open_ports ?? "")}</span>
      </p>
      {may("sources_manage") && (
        <div className="actions">
          <Button onClick={() => setMode("accept")} aria-label={`${t("sources.accept")}: ${host.label}`}>
            {t("sources.accept")}
          </Button>
          <Button kind="quiet" onClick={() => setMode("explain")} aria-label={`${t("sources.explain")}: ${host.label}`}>
            {t("sources.explain")}
          </Button>
        </div>
      )}
      {mode && (
        <Dialog title={mode === "accept" ? t("sources.accept") : t("sources.explain")} close={() => setMode("")}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              decide.mutate();
            }}
          >
            <ErrorSummary error={decide.error} />
            {mode === "accept" ? (
              <SelectField label={t("sources.kind")} value={kind} onChange={(event) => setKind(event.target.value)}>
                {kinds.map((choice) => (
                  <option key={choice.value} value={choice.value}>
                    {words(choice.label)}
                  </option>
                ))}
              </SelectField>
            ) : (
              <TextField
                label={t("sources.explain.reason")}
                required
                value={reason}
                problem={wrong("reason")}
                onChange={(event) => setReason(event.target.value)}
              />
            )}
            <Button kind="primary" type="submit">
              {t("app.save")}
            </Button>
          </form>
        </Dialog>
      )}
    </li>
  );
}

export function Sources() {
  const t = useTexts();
  const may = useMay();
  const { facility } = useSession();
  const [search, setSearch] = useSearch();
  const sources = useQuery({
    queryKey: ["sources", facility.id],
    queryFn: () => get("/api/v1/sources", { facility: facility.id }),
  });
  const kinds = useKinds().data?.items ?? [];
  const candidates = useQuery({
    queryKey: ["candidates", facility.id],
    queryFn: () => get("/api/v1/candidates", { facility: facility.id }),
  });
  return (
    <>
      <PageHead title={t("sources.title")} lead={t("sources.lead")}>
        {may("sources_manage") && (
          <Button kind="primary" onClick={() => setSearch({ new: "1" })}>
            {t("sources.new")}
          </Button>
        )}
      </PageHead>
      <section aria-labelledby="candidates">
        <h2 id="candidates">
          {t("sources.candidates")}
          {candidates.data && candidates.data.total > 0 && `（${candidates.data.total}）`}
        </h2>
        <QueryView query={candidates}>
          {(data) =>
            data.items.length === 0 ? (
              <p className="quiet-text">{t("sources.candidates.none")}</p>
            ) : (
              <ul className="sources">
                {data.items.map((host) => (
                  <Candidate key={host.id} host={host} />
                ))}
              </ul>
            )
          }
        </QueryView>
      </section>
      <QueryView query={sources}>
        {(data) =>
          data.items.length === 0 ? (
            <Notice kind="plain">{t("sources.none")}</Notice>
          ) : (
            <ul className="sources">
              {data.items.map((source) => (
                <SourceRow key={source.id} source={source} kinds={kinds} />
              ))}
            </ul>
          )
        }
      </QueryView>
      {search.get("new") && kinds.length > 0 && <SourceForm kinds={kinds} close={() => setSearch({ new: "" })} />}
    </>
  );
}
