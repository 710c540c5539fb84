import { useQuery, useQueryClient } from "@tanstack/react-query";
import { get, post } from "../../api/client";
import type { Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { useMay, useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import { Button, PageHead, Problem, QueryView, wide } from "../../ui/ui";
import { percentOf, turnOf } from "./turn";

type Job = Shapes["Job"];
type Past = Job["history"][number];

const LOOK_AGAIN = 5_000,
  LOOK_AGAIN_SOON = 1_500; // milliseconds

function Outcome({ past }: { past: Past }) {
  const t = useTexts();
  const words = useWords();
  const said = past.error ?? past.note;
  return <>{said ? words(said) : t("jobs.ok")}</>;
}

function State({ job }: { job: Job }) {
  const t = useTexts();
  const dates = useDates();
  if (job.stopping) return <>{t("jobs.stopping")}</>;
  if (job.runs) {
    const percent = percentOf(job.done, job.whole);
    return (
      <>
        {t("jobs.running")}{" "}
        {percent !== undefined && (
          <progress max={100} value={percent}>
            {t("jobs.progress", { percent })}
          </progress>
        )}{" "}
        {percent !== undefined && t("jobs.progress", { percent })}
      </>
    );
  }
  if (job.failing_since) return <>{t("jobs.since", { on: dates.time(job.failing_since), n: job.failures })}</>;
  const latest = job.history[0];
  return latest ? <Outcome past={latest} /> : <>—</>;
}

function History({ job }: { job: Job }) {
  const t = useTexts();
  const dates = useDates();
  if (job.history.length === 0) return null;
  return (
    <details>
      <summary>{t("jobs.history")}</summary>
      <ul className="quiet-text">
        {job.history.map((past) => (
          <li key={past.started_at}>
            {dates.time(past.started_at)}
            {wide}
            <Outcome past={past} />
            {wide}
            {past.by}
            {wide}
            {past.server}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Row({ job }: { job: Job }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const may = useMay();
  const turn = turnOf(job.every_seconds);
  const client = useQueryClient();
  const done = () => client.invalidateQueries({ queryKey: ["jobs"] });
  const ask = useWrite({
    mutationFn: () => post("/api/v1/jobs/{id}/run", { id: job.id }, {}),
    onSuccess: done,
    onError: done,
  });
  const end = useWrite({
    mutationFn: () => post("/api/v1/jobs/{id}/stop", { id: job.id }, {}),
    onSuccess: done,
    onError: done,
  });
  const name = job.label ? `${words(job.title)}: ${job.label}` : words(job.title);
  const latest = job.history[0];
  return (
    <tr>
      <th scope="row">
        {words(job.title)}
        {job.label && (
          <span className="quiet-text">
            {wide}
            {job.label}
          </span>
        )}
        <History job={job} />
      </th>
      <td>
        <State job={job} />
        {job.asked_by && (
          <span className="quiet-text">
            {wide}
            {t("jobs.asked", { who: job.asked_by })}
          </span>
        )}
        {job.failing_since && latest?.error && <p>{words(latest.error)}</p>}
        {(ask.error ?? end.error) && <Problem error={ask.error ?? end.error} />}
      </td>
      <td>{job.due_at && !job.runs ? dates.time(job.due_at) : "—"}</td>
      <td>{job.last_success_at ? dates.ago(job.last_success_at) : "—"}</td>
      <td>{t(turn.text, { n: turn.n })}</td>
      <td>
        {may("sources_manage") &&
          (job.runs ? (
            <Button
              onClick={() => end.mutate()}
              disabled={end.isPending || job.stopping}
              aria-label={`${t("jobs.stop")}: ${name}`}
            >
              {t("jobs.stop")}
            </Button>
          ) : (
            <Button onClick={() => ask.mutate()} disabled={ask.isPending} aria-label={`${t("jobs.run")}: ${name}`}>
              {t("jobs.run")}
            </Button>
          ))}
      </td>
    </tr>
  );
}

function Table({ title, jobs }: { title: string; jobs: Job[] }) {
  const t = useTexts();
  if (jobs.length === 0) return null;
  return (
    <section>
      <h2>
        {title}（{jobs.length}）
      </h2>
      <div className="table-scroll" tabIndex={0} role="region" aria-label={title}>
        <table className="grid plain">
          <thead>
            <tr>
              {[t("jobs.what"), t("jobs.state"), t("jobs.next"), t("jobs.last"), t("jobs.every")].map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {jobs.map((job) => (
              <Row key={job.id} job={job} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function Jobs() {
  const t = useTexts();
  const { facility } = useSession();
  const jobs = useQuery({
    queryKey: ["jobs", facility.id],
    queryFn: () => get("/api/v1/jobs", { facility: facility.id }),
    refetchInterval: (asked) =>
      asked.state.data?.items.some((job) => job.runs || job.asked_by) ? LOOK_AGAIN_SOON : LOOK_AGAIN,
  });
  return (
    <>
      <PageHead title={t("jobs.title")} lead={t("jobs.lead")} />
      <QueryView query={jobs}>
        {({ items }) =>
          items.length === 0 ? (
            <p>{t("jobs.none")}</p>
          ) : (
            <>
              <Table title={t("jobs.running")} jobs={items.filter((job) => job.runs)} />
              <Table title={t("jobs.failing")} jobs={items.filter((job) => !job.runs && job.failing_since)} />
              <Table title={t("jobs.others")} jobs={items.filter((job) => !job.runs && !job.failing_since)} />
            </>
          )
        }
      </QueryView>
    </>
  );
}
