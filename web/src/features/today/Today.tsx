import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, post } from "../../api/client";
import type { Shapes, Verdict } from "../../api/contract";
import { useWrite } from "../../api/write";
import { Link } from "../../app/router";
import { useMay, useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import {
  Button,
  Dialog,
  ErrorSummary,
  Notice,
  PageHead,
  QueryView,
  Sign,
  TextField,
  useProblemText,
  wide,
} from "../../ui/ui";

type Row = Shapes["TodayRow"];

function PutOff({ row, close }: { row: Row; close: () => void }) {
  const t = useTexts();
  const client = useQueryClient();
  const { facility } = useSession();
  const [until, setUntil] = useState("");
  const [reason, setReason] = useState("");
  const put = useWrite({
    mutationFn: () => post("/api/v1/today/put-off", { facility: facility.id }, { key: row.key, until, reason }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["today"] });
      close();
    },
  });
  const wrong = useProblemText(put.error);
  return (
    <Dialog title={t("today.put_off.title")} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          put.mutate();
        }}
      >
        <ErrorSummary error={put.error} />
        <TextField
          label={t("today.until")}
          type="date"
          required
          value={until}
          problem={wrong("until")}
          onChange={(event) => setUntil(event.target.value)}
        />
        <TextField
          label={t("today.reason")}
          required
          value={reason}
          problem={wrong("reason")}
          onChange={(event) => setReason(event.target.value)}
        />
        <div className="actions">
          <Button kind="primary" type="submit">
            {t("app.save")}
          </Button>
          <Button onClick={close}>{t("app.cancel")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

const steps: { text: TextKey; to: string; permission: string }[] = [
  { text: "today.first.import", to: "/import/asset", permission: "ledger_write" },
  { text: "today.first.people", to: "/import/person", permission: "ledger_write" },
  { text: "today.first.role", to: "/ledgers/role_assignment?new=1", permission: "ledger_write" },
  { text: "today.first.sources", to: "/sources?new=1", permission: "sources_manage" },
];

export function Today() {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const may = useMay();
  const { facility } = useSession();
  const [putting, setPutting] = useState<Row | null>(null);
  const today = useQuery({
    queryKey: ["today", facility.id],
    queryFn: () => get("/api/v1/today", { facility: facility.id }),
    refetchInterval: 60_000,
  });
  return (
    <>
      <PageHead title={t("today.title")} lead={today.data ? dates.day(today.data.today) : undefined} />
      <QueryView query={today}>
        {(data) => (
          <>
            <dl className="numbers">
              <div className="number gap">
                <dt>{t("today.urgent")}</dt>
                <dd>{data.urgent}</dd>
              </div>
              <div className="number stale">
                <dt>{t("today.soon")}</dt>
                <dd>{data.soon}</dd>
              </div>
              <div className="number met">
                <dt>{t("today.met")}</dt>
                <dd>{data.met}</dd>
              </div>
            </dl>
            {data.met < 5 && (
              <section className="first-steps" aria-labelledby="first">
                <h2 id="first">{t("today.first")}</h2>
                <ol>
                  {steps
                    .filter((step) => may(step.permission))
                    .map((step) => (
                      <li key={step.to}>
                        <Link to={step.to}>{t(step.text)}</Link>
                      </li>
                    ))}
                </ol>
              </section>
            )}
            {data.items.length === 0 ? (
              <Notice>{t("today.none")}</Notice>
            ) : (
              <ul className="todo">
                {data.items.map((row) => (
                  <li key={row.key} className={row.urgency <= 25 ? "urgent" : ""}>
                    <span className="todo-sign">
                      {row.kind === "contradiction" ? (
                        <span className="sign contradiction">
                          <span aria-hidden="true">⚠</span>
                          {t("contradiction")}
                        </span>
                      ) : ["gap", "stale", "no_evidence"].includes(row.kind) ? (
                        <Sign verdict={row.kind as Verdict} />
                      ) : (
                        <span className="sign stale">
                          <span aria-hidden="true">●</span>
                          {t(`today.sign.${row.kind}` as TextKey)}
                        </span>
                      )}
                    </span>
                    <div className="todo-text">
                      <p className="todo-what">{words(row.text)}</p>
                      <p className="todo-why">
                        {words(row.reason)}
                        {row.date && (
                          <span className="date">
                            {wide}
                            {dates.day(row.date)}
                          </span>
                        )}
                      </p>
                    </div>
                    <div className="todo-actions">
                      <Link
                        className="button secondary"
                        to={`/${row.link}`}
                        aria-label={`${t("today.go")}: ${words(row.text)}`}
                      >
                        {t("today.go")}
                      </Link>
                      {may("findings_declare") && (
                        <Button
                          kind="quiet"
                          onClick={() => setPutting(row)}
                          aria-label={`${t("today.put_off")}: ${words(row.text)}`}
                        >
                          {t("today.put_off")}
                        </Button>
                      )}
                    </div>
                  </li>
                ))}
              </ul>
            )}
          </>
        )}
      </QueryView>
      {putting && <PutOff row={putting} close={() => setPutting(null)} />}
    </>
  );
}
