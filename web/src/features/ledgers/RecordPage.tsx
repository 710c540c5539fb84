import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, post, query } from "../../api/client";
import type { Body, RecordInfo, RegisterInfo } from "../../api/contract";
import { useWrite } from "../../api/write";
import { Link } from "../../app/router";
import { useMay } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import {
  Button,
  Dialog,
  ErrorSummary,
  Notice,
  PageHead,
  QueryView,
  TextField,
  useProblemText,
  wide,
} from "../../ui/ui";
import { changedFields, logQuestion } from "./record";
import { RecordForm } from "./RecordForm";
import { useRegisters, useShown } from "../../app/registers";

export function RecordPage({ register, id }: { register: string; id: string }) {
  const registers = useRegisters();
  const record = useQuery({
    queryKey: ["record", register, id],
    queryFn: () => get("/api/v1/registers/{register}/records/{id}", { register, id }),
  });
  return (
    <QueryView query={registers}>
      {(data) => {
        const info = data.items.find((one) => one.name === register);
        return info ? <QueryView query={record}>{(found) => <Record info={info} record={found} />}</QueryView> : null;
      }}
    </QueryView>
  );
}

type Change = "retire" | "bring-back" | "revert";

function useChange<A extends Change>(info: RegisterInfo, record: RecordInfo, action: A, done: () => void) {
  const client = useQueryClient();
  return useWrite({
    mutationFn: (body: Body<"post", `/api/v1/registers/{register}/records/{id}/${A}`>) =>
      post(`/api/v1/registers/{register}/records/{id}/${action}`, { register: info.name, id: record.id }, body, record),
    onSuccess: async () => {
      await client.invalidateQueries();
      done();
    },
  });
}

function Retire({ info, record, close }: { info: RegisterInfo; record: RecordInfo; close: () => void }) {
  const t = useTexts();
  const [reason, setReason] = useState("");
  const retire = useChange(info, record, "retire", close);
  const wrong = useProblemText(retire.error);
  return (
    <Dialog title={t("record.retire.title")} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          retire.mutate({ reason });
        }}
      >
        <p>{t("record.retire.help")}</p>
        <ErrorSummary error={retire.error} />
        <TextField
          label={t("record.retire.reason")}
          required
          value={reason}
          problem={wrong("reason")}
          onChange={(event) => setReason(event.target.value)}
        />
        <div className="actions">
          <Button kind="danger" type="submit" disabled={retire.isPending}>
            {t("record.retire")}
          </Button>
          <Button onClick={close}>{t("app.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

function History({ info, record }: { info: RegisterInfo; record: RecordInfo }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const shown = useShown();
  const history = useQuery({
    queryKey: ["record", info.name, record.id, "history", record.version],
    queryFn: () => get("/api/v1/registers/{register}/records/{id}/history", { register: info.name, id: record.id }),
  });
  const revert = useChange(info, record, "revert", () => undefined);
  return (
    <section aria-labelledby="history">
      <h2 id="history">{t("record.history")}</h2>
      <ErrorSummary error={revert.error} />
      <QueryView query={history}>
        {(data) => (
          <ol className="history">
            {data.items.map((entry, index) => (
              <li key={entry.sequence}>
                <p>
                  <strong>{t(`action.${entry.action}` as TextKey)}</strong>
                  {wide}
                  <time dateTime={entry.at}>{dates.time(entry.at)}</time>
                  {wide}
                  {entry.actor}
                  {wide}
                  <span className="quiet-text">{entry.origin}</span>
                  {entry.reason && (
                    <>
                      {wide}「{entry.reason}」
                    </>
                  )}
                </p>
                <ul className="changes">
                  {changedFields(info, entry).map((field) => (
                    <li key={field.name}>
                      {words(field.label)}: <del>{shown(field, entry.before?.[field.name]) || t("record.unset")}</del> →{" "}
                      <ins>{shown(field, entry.after?.[field.name]) || t("record.unset")}</ins>
                    </li>
                  ))}
                </ul>
                {info.writable && index > 0 && !record.retired_at && (
                  <Button
                    kind="quiet"
                    onClick={() => revert.mutate({ sequence: entry.sequence, reason: t("record.revert") })}
                  >
                    {t("record.revert")}
                  </Button>
                )}
              </li>
            ))}
          </ol>
        )}
      </QueryView>
    </section>
  );
}

// From a device, an account, a person or a sender to what the logs say about it.
function LogLink({ info, record }: { info: RegisterInfo; record: RecordInfo }) {
  const t = useTexts();
  const may = useMay();
  const accounts = useQuery({
    queryKey: ["record", "accounts-of", record.id],
    queryFn: () =>
      get("/api/v1/registers/{register}/records", {
        register: "account",
        person: record.id,
        limit: 50,
        sort: "label",
      }),
    enabled: info.name === "person" && may("logs_read"),
  });
  if (!may("logs_read")) return null;
  const question = logQuestion(info.name, record, accounts.data?.items ?? []);
  if (!question) return null;
  return (
    <Link className="button secondary" to={`/logs${query({ q: question, range: "30d" })}`}>
      {t("record.logs")}
    </Link>
  );
}

function Record({ info, record }: { info: RegisterInfo; record: RecordInfo }) {
  const t = useTexts();
  const words = useWords();
  const shown = useShown();
  const [retiring, setRetiring] = useState(false);
  const [saved, setSaved] = useState(false);
  const back = useChange(info, record, "bring-back", () => undefined);
  return (
    <>
      <p className="crumb">
        <Link to={`/ledgers/${info.name}`}>{words(info.label)}</Link>
      </p>
      <PageHead title={record.label || record.number}>
        <LogLink info={info} record={record} />
        {info.writable && !record.retired_at && info.name !== "facility" && (
          <Button kind="danger" onClick={() => setRetiring(true)}>
            {t("record.retire")}
          </Button>
        )}
        {info.writable && record.retired_at && (
          <Button kind="primary" onClick={() => back.mutate({ reason: t("record.bring_back") })}>
            {t("record.bring_back")}
          </Button>
        )}
      </PageHead>
      {record.retired_at && (
        <Notice kind="plain">{t("record.retired", { reason: record.retired_reason ?? "" })}</Notice>
      )}
      {saved && <Notice>{t("app.saved")}</Notice>}
      {info.writable && !record.retired_at ? (
        <div onInput={() => setSaved(false)}>
          <RecordForm key={record.version} info={info} record={record} done={() => setSaved(true)} />
        </div>
      ) : (
        <dl className="plain-record">
          {info.fields
            .filter((field) => record.fields[field.name] !== undefined)
            .map((field) => (
              <div key={field.name}>
                <dt>{words(field.label)}</dt>
                <dd>{shown(field, record.fields[field.name], record.refs)}</dd>
              </div>
            ))}
        </dl>
      )}
      {!info.observed && <History info={info} record={record} />}
      {retiring && <Retire info={info} record={record} close={() => setRetiring(false)} />}
    </>
  );
}
