import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, post } from "../../api/client";
import type { Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { Link } from "../../app/router";
import { useMay, useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import { dayInJapan } from "../../texts/dates";
import type { TextKey } from "../../texts/texts";
import {
  Button,
  Dialog,
  ErrorSummary,
  Notice,
  Sign,
  TextArea,
  TextField,
  signs,
  useProblemText,
  wide,
} from "../../ui/ui";

function Declare({
  framework,
  item,
  vendor,
}: {
  framework: Shapes["Framework"];
  item: Shapes["Item"];
  vendor: string;
}) {
  const t = useTexts();
  const client = useQueryClient();
  const { facility } = useSession();
  const [round, setRound] = useState(item.declared?.round ?? 1);
  const [answer, setAnswer] = useState<string>(item.declared?.answer ?? "");
  const [confirmed, setConfirmed] = useState(() => dayInJapan(new Date()));
  const [target, setTarget] = useState(item.declared?.target_on ?? "");
  const [remark, setRemark] = useState(item.declared?.remark ?? "");
  const declare = useWrite({
    mutationFn: () =>
      post(
        "/api/v1/frameworks/{framework}/items/{item}/declaration",
        { framework: framework.framework, item: item.item, facility: facility.id },
        { answer, confirmed_on: confirmed, target_on: answer === "no" ? target : "", remark, vendor, round },
      ),
    onSuccess: async () => {
      await Promise.all([
        client.invalidateQueries({ queryKey: ["framework"] }),
        client.invalidateQueries({ queryKey: ["today"] }),
        client.invalidateQueries({ queryKey: ["frameworks"] }),
      ]);
    },
  });
  const wrong = useProblemText(declare.error);
  return (
    <form
      className="declare"
      onInput={() => {
        if (declare.isSuccess) declare.reset();
      }}
      onSubmit={(event) => {
        event.preventDefault();
        declare.mutate();
      }}
    >
      <ErrorSummary error={declare.error} />
      {declare.isSuccess && <Notice>{t("app.saved")}</Notice>}
      <fieldset className="answers">
        <legend>{t("check.declare")}</legend>
        <div className="rounds">
          {[1, 2].map((one) => (
            <label key={one} className="check">
              <input
                type="radio"
                name="round"
                value={one}
                checked={round === one}
                disabled={one > item.rounds.length + 1}
                onChange={() => setRound(one)}
              />
              {t("check.round", { n: one })}
            </label>
          ))}
        </div>
        {wrong("round") && <p className="problem">{wrong("round")}</p>}
        {(["yes", "no", "not_applicable"] as const).map((one) => (
          <label key={one} className="check">
            <input type="radio" name="answer" value={one} checked={answer === one} onChange={() => setAnswer(one)} />
            {t(`answer.${one}`)}
          </label>
        ))}
        {wrong("answer") && <p className="problem">{wrong("answer")}</p>}
      </fieldset>
      <TextField
        label={t("check.confirmed")}
        type="date"
        value={confirmed}
        problem={wrong("confirmed_on")}
        onChange={(event) => setConfirmed(event.target.value)}
      />
      {answer === "no" && (
        <TextField
          label={t("check.target")}
          type="date"
          required
          value={target}
          problem={wrong("target_on")}
          onChange={(event) => setTarget(event.target.value)}
        />
      )}
      <TextArea
        label={t("check.remark")}
        value={remark}
        problem={wrong("remark")}
        onChange={(event) => setRemark(event.target.value)}
      />
      <Button kind="primary" type="submit" disabled={declare.isPending || !answer}>
        {t("check.declare")}
      </Button>
    </form>
  );
}

function Control({ control }: { control: Shapes["Control"] }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const { facility } = useSession();
  const [open, setOpen] = useState(false);
  const history = useQuery({
    queryKey: ["history", facility.id, control.control],
    queryFn: () => get("/api/v1/controls/{control}/history", { control: control.control, facility: facility.id }),
    enabled: open,
  });
  return (
    <li className="control">
      <p className="control-head">
        <Sign verdict={control.verdict} /> {words(control.title)}
      </p>
      <p className="quiet-text">
        {control.violations > 0
          ? t("check.violations", { n: control.violations })
          : t("check.subjects", { n: control.subjects })}
        {control.since && (
          <>
            {wide}
            {t("check.since", { on: dates.day(control.since) })}
          </>
        )}
      </p>
      {control.records.length > 0 && (
        <ul className="records">
          {control.records.slice(0, 12).map((record) => (
            <li key={record.id}>
              <Link to={`/ledgers/${record.register}/${record.id}`}>{record.label || record.id}</Link>
              {record.detail && (
                <span className="quiet-text">
                  {wide}
                  {record.detail}
                </span>
              )}
            </li>
          ))}
          {control.violations > 12 && (
            <li>
              <Link to={`/${control.link}`}>{t("check.more_records", { n: control.violations - 12 })}</Link>
            </li>
          )}
        </ul>
      )}
      {control.evidence.map((evidence) => (
        <p key={evidence.register} className="evidence">
          {t("check.evidence")}:{" "}
          {evidence.observed_at ? (
            <>
              {evidence.sources
                .map((name) => (evidence.files.includes(name) ? t("check.evidence.file", { name }) : name))
                .join("、")}
              {wide}
              <time dateTime={evidence.observed_at} title={dates.time(evidence.observed_at)}>
                {dates.ago(evidence.observed_at)}
              </time>
            </>
          ) : (
            t("check.evidence.none")
          )}
          {evidence.stale && (
            <>
              {wide}
              <Sign verdict="stale" />
            </>
          )}
        </p>
      ))}
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t("check.history")}</summary>
        <ul className="history-line">
          {history.data?.items.map((change) => (
            <li key={change.at}>
              {signs[change.verdict]} {t(`verdict.${change.verdict}`)}
              {change.violations > 0 && `（${change.violations}）`}
              {wide}
              <time dateTime={change.at}>{dates.time(change.at)}</time>
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

export function ItemDrawer({
  framework,
  item,
  vendor,
  close,
}: {
  framework: Shapes["Framework"];
  item: Shapes["Item"];
  vendor: string;
  close: () => void;
}) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const may = useMay();
  return (
    <Dialog drawer title={`${item.number}${wide}${words(item.text)}`} close={close}>
      {item.contradiction && (
        <div className="notice bad contradiction-big" role="alert">
          <strong>⚠ {t("contradiction")}</strong>
          <p>{t(`contradiction.${item.contradiction}` as TextKey)}</p>
        </div>
      )}
      <dl className="two-answers">
        <div>
          <dt>{t("check.measured")}</dt>
          <dd>
            <Sign verdict={item.verdict} />
          </dd>
        </div>
        <div>
          <dt>{t("check.declared")}</dt>
          <dd>
            {item.rounds.length === 0 && <span className="quiet-text">{t("check.declared.none")}</span>}
            {item.rounds.map((one) => (
              <p key={one.round} className="round">
                <span className="chip">{t("check.round", { n: one.round })}</span>{" "}
                <strong>{t(`answer.${one.answer}`)}</strong>
                <br />
                <span className="quiet-text">
                  {t("check.declared.by", { by: one.by, on: dates.day(one.confirmed_on) })}
                </span>
                {one.target_on && (
                  <>
                    <br />
                    {t("check.target")}: {dates.day(one.target_on)}
                  </>
                )}
                {one.remark && (
                  <>
                    <br />
                    {one.remark}
                  </>
                )}
              </p>
            ))}
          </dd>
        </div>
      </dl>
      {words(item.next_step) && (
        <section className="next">
          <h3>{t("check.next")}</h3>
          <p>{words(item.next_step)}</p>
          {item.link && (
            <Link className="button primary" to={`/${item.link}`}>
              {t("check.go")}
            </Link>
          )}
        </section>
      )}
      {item.levels && (
        <ol className="levels">
          {item.levels.map((level) => (
            <li key={level.level} value={level.level} className={(item.level ?? 0) >= level.level ? "reached" : ""}>
              Lv{level.level} {words(level.text)} {(item.level ?? 0) >= level.level ? "○" : ""}
            </li>
          ))}
        </ol>
      )}
      <section>
        <h3>{t("check.controls")}</h3>
        <ul className="controls">
          {item.controls.map((control) => (
            <Control key={control.control} control={control} />
          ))}
        </ul>
      </section>
      {may("findings_declare") && (!framework.per_vendor || vendor) && (
        <Declare framework={framework} item={item} vendor={vendor} />
      )}
    </Dialog>
  );
}
