import { bytes } from "./bytes";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { get, post, query } from "../../api/client";
import type { Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { useMay, useSession } from "../../app/session";
import { useDates, useLanguage, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, FileLink, Notice, Problem, QueryView, Raw, wide } from "../../ui/ui";

function StreamProof({ stream }: { stream: Shapes["LogStream"] }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const may = useMay();
  const client = useQueryClient();
  const { facility } = useSession();
  const [name = "", writer] = stream.stream.split("@");
  const verify = useWrite({
    mutationFn: () =>
      post("/api/v1/logs/streams/{stream}/verify", { stream: stream.stream, facility: facility.id }, {}),
  });
  const sign = useWrite({
    mutationFn: () => post("/api/v1/logs/streams/{stream}/heads", { stream: stream.stream, facility: facility.id }, {}),
    onSuccess: () => client.invalidateQueries({ queryKey: ["log-streams"] }),
  });
  return (
    <li className="source">
      <div className="source-head">
        <h2>{t(`logs.stream.${name}` as TextKey)}</h2>
        {writer && <code>{writer}</code>}
        <span className="chip">{t("logs.events.n", { n: stream.events.toLocaleString() })}</span>
        <span className="quiet-text">
          {bytes(stream.bytes)}
          {stream.bytes > 0 &&
            stream.raw_bytes > stream.bytes &&
            `（1/${(stream.raw_bytes / stream.bytes).toFixed(0)}）`}
        </span>
      </div>
      {stream.first > 0 && <p className="quiet-text">{t("logs.first", { n: stream.first.toLocaleString() })}</p>}
      {stream.head ? (
        <p>
          {t("logs.head", { at: dates.time(stream.head.at), n: stream.head.size.toLocaleString() })}
          {stream.head.stamp && (
            <>
              {wide}
              {t("logs.head.stamp", { at: dates.time(stream.head.stamp.at), by: stream.head.stamp.authority })}
            </>
          )}
          <br />
          <code className="hash">{stream.head.root}</code>
        </p>
      ) : (
        <p className="quiet-text">{t("logs.head.none")}</p>
      )}
      {stream.damage.map((damage) => (
        <div key={`${damage.file}${damage.first}`} className="notice bad">
          {words(damage.what)}（{damage.file}、{damage.first}–{damage.last}）
        </div>
      ))}
      {(verify.error ?? sign.error) && <Problem error={verify.error ?? sign.error} />}
      {verify.data &&
        (verify.data.whole ? (
          <Notice>
            {t("logs.verified", { n: (verify.data.events ?? 0).toLocaleString(), m: verify.data.heads ?? 0 })}
          </Notice>
        ) : (
          <div className="notice bad" role="alert">
            <p>
              <strong>{t("logs.verify.failed")}</strong>
            </p>
            <ul>
              {verify.data.damage.map((damage) => (
                <li key={`${damage.file}${damage.first}`}>
                  {words(damage.what)}（{damage.file}、{damage.first}–{damage.last}）
                </li>
              ))}
            </ul>
          </div>
        ))}
      {may("logs_manage") && (
        <div className="actions">
          <Button
            onClick={() => verify.mutate()}
            disabled={verify.isPending}
            aria-label={`${t("logs.verify")}: ${stream.stream}`}
          >
            {verify.isPending ? t("logs.verifying") : t("logs.verify")}
          </Button>
          <Button kind="quiet" onClick={() => sign.mutate()} aria-label={`${t("logs.sign")}: ${stream.stream}`}>
            {t("logs.sign")}
          </Button>
        </div>
      )}
      {stream.head && (
        <details>
          <summary>{t("logs.head.note")}</summary>
          <Raw label={`${t("logs.head.note")}: ${stream.stream}`} text={stream.head.note} />
        </details>
      )}
    </li>
  );
}

export function LogProof() {
  const t = useTexts();
  const may = useMay();
  const { language } = useLanguage();
  const { facility } = useSession();
  const streams = useQuery({
    queryKey: ["log-streams", facility.id],
    queryFn: () => get("/api/v1/logs/streams", { facility: facility.id }),
  });
  return (
    <QueryView query={streams}>
      {(data) => (
        <>
          {data.disk.total > 0 && (
            <p>
              {t("logs.disk", { free: bytes(data.disk.free), total: bytes(data.disk.total) })}
              {data.disk.days_left !== null && (
                <>
                  {wide}
                  {t(data.disk.days_left < 60 ? "logs.disk.soon" : "logs.disk.days", {
                    n: Math.floor(data.disk.days_left),
                  })}
                </>
              )}
            </p>
          )}
          {data.items.length === 0 ? (
            <Notice kind="plain">{t("logs.empty")}</Notice>
          ) : (
            <ul className="sources">
              {data.items.map((stream) => (
                <StreamProof key={stream.stream} stream={stream} />
              ))}
            </ul>
          )}
          <section aria-labelledby="outside">
            <h2 id="outside">{t("logs.outside")}</h2>
            <p>{t("logs.outside.how")}</p>
            {may("documents_make") && (
              <p>
                <FileLink
                  look
                  className="button secondary"
                  href={`/api/v1/documents/log-heads${query({ facility: facility.id, language })}`}
                >
                  {t("docs.heads")}
                </FileLink>
              </p>
            )}
            <p className="quiet-text">
              {t("logs.outside.key")} <code className="hash">{data.public_key}</code>
            </p>
          </section>
        </>
      )}
    </QueryView>
  );
}
