import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, patch, post, query } from "../../api/client";
import type { Answer, Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { term } from "../../api/logs";
import { Link } from "../../app/router";
import { useMay, useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, Notice, Problem, QueryView, Raw, SelectField } from "../../ui/ui";
import { useRegisters } from "../../app/registers";

const setups = [
  "rsyslog",
  "syslog-ng",
  "fortigate",
  "cisco",
  "yamaha",
  "windows",
  "fluentbit",
  "otlp",
  "fhir",
  "curl",
] as const;

// What to write into the common senders, with this server's address and ports in it.
function SetUp({ receivers }: { receivers: Answer<"get", "/api/v1/logs/sources">["receivers"] }) {
  const t = useTexts();
  const [chosen, setChosen] = useState<(typeof setups)[number]>("rsyslog");
  const host = window.location.hostname;
  const port = (kind: "udp" | "tcp" | "tls", usual: number) =>
    String((receivers[kind] ?? -1) >= 0 ? receivers[kind] : usual);
  const text = t(`logs.setup.${chosen}` as TextKey, {
    host,
    udp: port("udp", 514),
    tcp: port("tcp", 514),
    tls: port("tls", 6514),
    url: window.location.origin,
  });
  const off = (["udp", "tcp", "tls"] as const).every((kind) => (receivers[kind] ?? -1) < 0);
  return (
    <section aria-labelledby="setup">
      <h2 id="setup">{t("logs.setup")}</h2>
      {off && <Notice kind="plain">{t("logs.setup.off")}</Notice>}
      <SelectField
        label={t("logs.setup.sender")}
        value={chosen}
        onChange={(event) => setChosen(event.target.value as (typeof setups)[number])}
      >
        {setups.map((one) => (
          <option key={one} value={one}>
            {t(`logs.setup.name.${one}` as TextKey)}
          </option>
        ))}
      </SelectField>
      <Raw label={t("logs.setup")} text={text} copy />
    </section>
  );
}

function Row({ source }: { source: Shapes["LogSource"] }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const may = useMay();
  const client = useQueryClient();
  const registers = useRegisters();
  const info = registers.data?.items.find((one) => one.name === "log_source");
  const state = String(source.fields.state ?? "");
  const done = () => client.invalidateQueries({ queryKey: ["log-sources"] });
  const decide = useWrite({
    mutationFn: (to: string) =>
      patch(
        "/api/v1/registers/{register}/records/{id}",
        { register: "log_source", id: source.id },
        { fields: { state: to }, reason: "" },
        source,
      ),
    onSuccess: done,
  });
  const token = useWrite({ mutationFn: () => post("/api/v1/logs/sources/{id}/token", { id: source.id }, {}) });
  const seen = source.observed;
  const refused = Number(seen?.refused_day ?? 0);
  const dropped = Number(seen?.dropped_day ?? 0);
  const drift = typeof seen?.drift_seconds === "number" ? seen.drift_seconds : null;
  return (
    <tr>
      <th scope="row">
        <Link to={`/ledgers/log_source/${source.id}`}>{source.number}</Link>
      </th>
      <td>
        {String(source.fields.name ?? "")}
        {source.fields.asset && (
          <>
            <br />
            <Link className="quiet-text" to={`/ledgers/asset/${String(source.fields.asset)}`}>
              {source.refs.asset}
            </Link>
          </>
        )}
      </td>
      <td>
        {words(
          info?.fields.find((field) => field.name === "state")?.choices?.find((choice) => choice.value === state)
            ?.label,
        )}
        {state === "unknown" && may("ledger_write") && (
          <div className="actions">
            <Button onClick={() => decide.mutate("accepted")} aria-label={`${t("logs.accept")}: ${source.number}`}>
              {t("logs.accept")}
            </Button>
            <Button
              kind="quiet"
              onClick={() => decide.mutate("refused")}
              aria-label={`${t("logs.refuse")}: ${source.number}`}
            >
              {t("logs.refuse")}
            </Button>
          </div>
        )}
        {decide.error && <Problem error={decide.error} />}
      </td>
      <td>
        {seen?.last_received_at ? (
          <>
            <span className={`sign ${seen.silent === true ? "gap" : "met"}`}>
              <span aria-hidden="true">{seen.silent === true ? "×" : "○"}</span>
              {t(seen.silent === true ? "logs.silent" : "logs.arrives")}
            </span>{" "}
            <time dateTime={String(seen.last_received_at)}>{dates.ago(String(seen.last_received_at))}</time>
          </>
        ) : (
          <span className="quiet-text">{t("logs.never")}</span>
        )}
      </td>
      <td className="figure">
        {seen ? Number(seen.events_day ?? 0).toLocaleString() : "－"}
        {seen?.volume_odd === true && (
          <>
            {" "}
            <span className="sign stale">
              <span aria-hidden="true">△</span>
              {t("logs.odd")}
            </span>
          </>
        )}
        {refused > 0 && (
          <>
            <br />
            <Link
              className="quiet-text"
              to={`/logs${query({ q: `${term("source", source.number)} kind:refused`, range: "7d" })}`}
            >
              {t("logs.refused", { n: refused })}
            </Link>
          </>
        )}
        {dropped > 0 && (
          <>
            <br />
            <span className="quiet-text">{t("logs.dropped", { n: dropped })}</span>
          </>
        )}
      </td>
      <td className="figure">
        {drift === null ? (
          "－"
        ) : (
          <>
            {Math.abs(drift) > 60 && (
              <span className="sign gap">
                <span aria-hidden="true">×</span>
                {t("logs.clock.off")}
              </span>
            )}{" "}
            {t("logs.drift", { n: drift })}
          </>
        )}
      </td>
      <td>
        <Link to={`/logs${query({ q: term("source", source.number), range: "all" })}`}>{t("logs.show")}</Link>
        {may("logs_manage") && (
          <Button kind="quiet" onClick={() => token.mutate()} aria-label={`${t("logs.token")}: ${source.number}`}>
            {t("logs.token")}
          </Button>
        )}
        {token.data && (
          <div className="notice plain" role="status">
            <p>{t("logs.token.once")}</p>
            <code className="secret">{token.data.token}</code>
          </div>
        )}
      </td>
    </tr>
  );
}

export function LogSources() {
  const t = useTexts();
  const { facility } = useSession();
  const may = useMay();
  const sources = useQuery({
    queryKey: ["log-sources", facility.id],
    queryFn: () => get("/api/v1/logs/sources", { facility: facility.id }),
    refetchInterval: 30_000,
  });
  return (
    <QueryView query={sources}>
      {(data) => (
        <>
          {may("ledger_write") && (
            <p className="actions">
              <Link className="button secondary" to="/ledgers/log_source?new=1">
                {t("logs.source.new")}
              </Link>
            </p>
          )}
          {data.items.length === 0 ? (
            <Notice kind="plain">{t("logs.sources.none")}</Notice>
          ) : (
            <div className="table-scroll" tabIndex={0} role="region" aria-label={t("logs.tab.sources")}>
              <table className="grid plain">
                <thead>
                  <tr>
                    {(["number", "name", "state", "last", "day", "clock", "do"] as const).map((one) => (
                      <th key={one} scope="col">
                        {t(`logs.column.${one}`)}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {[...data.items]
                    .sort((a, b) => Number(b.fields.state === "unknown") - Number(a.fields.state === "unknown"))
                    .map((source) => (
                      <Row key={source.id} source={source} />
                    ))}
                </tbody>
              </table>
            </div>
          )}
          <SetUp receivers={data.receivers} />
        </>
      )}
    </QueryView>
  );
}
