import { useQuery } from "@tanstack/react-query";
import { get, query } from "../../api/client";
import { term } from "../../api/logs";
import { Link } from "../../app/router";
import { useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Dialog, Notice, QueryView, Raw, wide } from "../../ui/ui";
import { nightBefore } from "./time";

// One event: what is understood of it, its bytes, whether it is proven, and where to go from here.
export function EventDrawer({
  stream,
  index,
  narrow,
  close,
}: {
  stream: string;
  index: string;
  narrow: (field: string, value: string) => void;
  close: () => void;
}) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const { facility } = useSession();
  const event = useQuery({
    queryKey: ["log-event", facility.id, stream, index],
    queryFn: () => get("/api/v1/logs/events/{stream}/{index}", { stream, index, facility: facility.id }),
  });
  return (
    <Dialog drawer title={t("logs.event", { n: `${stream} ${index}` })} close={close}>
      <QueryView query={event}>
        {(data) => {
          const user = data.fields.user ?? "";
          const owner = user ? data.owners?.[user] : undefined;
          return (
            <>
              <p>
                <time dateTime={data.time}>{dates.seconds(data.time)}</time>
                {wide}
                <span className="quiet-text">{t("logs.received", { at: dates.seconds(data.received) })}</span>
              </p>
              <p className={`proof ${data.proof.state}`}>
                <strong>{t(`logs.proof.${data.proof.state}` as TextKey)}</strong>
                {data.proof.head && (
                  <>
                    {wide}
                    <span className="quiet-text">
                      {t("logs.proof.head", { at: dates.time(data.proof.head.at), n: data.proof.head.size })}
                    </span>
                  </>
                )}
              </p>
              {data.refused && <Notice kind="plain">{t("logs.refused.why", { why: words(data.refused) })}</Notice>}
              <dl className="plain-record">
                {Object.entries(data.fields).map(([field, value]) => (
                  <div key={field}>
                    <dt>{t(`logs.field.${field}` as TextKey)}</dt>
                    <dd>
                      {value}{" "}
                      <button
                        type="button"
                        className="link"
                        onClick={() => narrow(field, value)}
                        aria-label={t("logs.narrow", { value })}
                      >
                        ＋
                      </button>
                    </dd>
                  </div>
                ))}
              </dl>
              <p className="actions">
                {data.fields.patient && (
                  <Link
                    className="button secondary"
                    to={`/logs${query({ q: term("patient", data.fields.patient), range: "all" })}`}
                    onClick={close}
                  >
                    {t("logs.go.patient", { value: data.fields.patient })}
                  </Link>
                )}
                {user && (
                  <Link
                    className="button secondary"
                    to={`/logs${query({ q: term("user", user), ...nightBefore(data.time) })}`}
                    onClick={close}
                  >
                    {t("logs.go.user", { value: user })}
                  </Link>
                )}
                {owner?.person && (
                  <Link className="button secondary" to={`/ledgers/person/${owner.person}`}>
                    {t("logs.go.person", { value: owner.name })}
                  </Link>
                )}
                {owner && (
                  <Link className="button secondary" to={`/ledgers/${owner.register}/${owner.account}`}>
                    {t("logs.go.account", { value: user })}
                  </Link>
                )}
                {data.source && (
                  <Link
                    className="button secondary"
                    to={
                      data.source.asset
                        ? `/ledgers/asset/${data.source.asset}`
                        : `/ledgers/log_source/${data.source.id}`
                    }
                  >
                    {t("logs.go.source", { value: data.source.name })}
                  </Link>
                )}
              </p>
              <h3>{t("logs.raw")}</h3>
              <Raw label={t("logs.raw")} text={data.raw} copy />
              {data.all_fields.length > 0 && (
                <details>
                  <summary>{t("logs.all_fields", { n: data.all_fields.length })}</summary>
                  <div
                    className="table-scroll"
                    tabIndex={0}
                    role="region"
                    aria-label={t("logs.all_fields", { n: data.all_fields.length })}
                  >
                    <table className="grid plain">
                      <tbody>
                        {data.all_fields.map((field, number) => (
                          <tr key={number}>
                            <th scope="row">{field.name}</th>
                            <td>{field.value}</td>
                          </tr>
                        ))}
                      </tbody>
                    </table>
                  </div>
                </details>
              )}
              <details>
                <summary>{t("logs.proof.details")}</summary>
                <p className="quiet-text">
                  {t("logs.proof.leaf")} <code>{data.proof.leaf}</code>
                </p>
                {data.proof.path && (
                  <ol>
                    {data.proof.path.map((hash) => (
                      <li key={hash}>
                        <code>{hash}</code>
                      </li>
                    ))}
                  </ol>
                )}
                {data.proof.head && <Raw label={t("logs.head.note")} text={data.proof.head.note} />}
              </details>
            </>
          );
        }}
      </QueryView>
    </Dialog>
  );
}
