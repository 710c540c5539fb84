import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { erase, get, post } from "../../api/client";
import { useWrite } from "../../api/write";
import { useSession } from "../../app/session";
import { useDates, useTexts } from "../../texts/context";
import { Button, ErrorSummary, Notice, PageHead, QueryView, TextField, useProblemText, wide } from "../../ui/ui";

function CurrentPassword({
  value,
  set,
  problem,
  help,
}: {
  value: string;
  set: (value: string) => void;
  problem?: string;
  help?: string;
}) {
  const t = useTexts();
  return (
    <TextField
      label={t("account.current")}
      type="password"
      autoComplete="current-password"
      required
      help={help}
      value={value}
      problem={problem}
      onChange={(event) => set(event.target.value)}
    />
  );
}

export function Account() {
  const t = useTexts();
  const dates = useDates();
  const { me } = useSession();
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const change = useWrite({
    mutationFn: () => post("/api/v1/account/password", {}, { current, password }),
    onSuccess: () => window.setTimeout(() => window.location.assign("/"), 1500),
  });
  const [proof, setProof] = useState("");
  const begin = useWrite({
    mutationFn: () => post("/api/v1/account/totp", {}, { current: proof }),
    onSuccess: () => setProof(""),
  });
  const confirm = useWrite({
    mutationFn: () => post("/api/v1/account/totp/confirm", {}, { code }),
    onSuccess: () => {
      begin.reset();
      setCode("");
      return client.invalidateQueries({ queryKey: ["me"] });
    },
  });
  const remove = useWrite({
    mutationFn: () => post("/api/v1/account/totp/remove", {}, { current: proof, code }),
    onSuccess: () => {
      setProof("");
      setCode("");
      return client.invalidateQueries({ queryKey: ["me"] });
    },
  });
  const sessions = useQuery({
    queryKey: ["sessions"],
    queryFn: () => get("/api/v1/account/sessions", {}),
  });
  const end = useWrite({
    mutationFn: (id: string) => erase("/api/v1/account/sessions/{session}", { session: id }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["sessions"] }),
  });
  const wrong = useProblemText(change.error);
  const unproven = useProblemText(begin.error ?? remove.error);
  const proofField = (
    <CurrentPassword value={proof} set={setProof} problem={unproven("current")} help={t("account.totp.proof")} />
  );
  return (
    <>
      <PageHead title={t("account.title")} lead={`${me.name}（${me.login}）`} />
      <section aria-labelledby="password">
        <h2 id="password">{t("account.password")}</h2>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            change.mutate();
          }}
        >
          <ErrorSummary error={change.error} />
          {change.isSuccess && <Notice>{t("account.changed")}</Notice>}
          <CurrentPassword value={current} set={setCurrent} problem={wrong("current")} />
          <TextField
            label={t("account.new")}
            type="password"
            autoComplete="new-password"
            required
            help={t("setup.password_help")}
            value={password}
            problem={wrong("password")}
            onChange={(event) => setPassword(event.target.value)}
          />
          <Button kind="primary" type="submit" disabled={change.isPending}>
            {t("account.password")}
          </Button>
        </form>
      </section>
      <section aria-labelledby="totp">
        <h2 id="totp">{t("account.totp")}</h2>
        <p>{me.totp ? t("account.totp.on") : t("account.totp.off")}</p>
        <ErrorSummary error={begin.error ?? confirm.error ?? remove.error} />
        {me.totp ? (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              remove.mutate();
            }}
          >
            {proofField}
            <TextField
              label={t("signin.totp")}
              inputMode="numeric"
              autoComplete="one-time-code"
              maxLength={6}
              required
              value={code}
              problem={unproven("code")}
              onChange={(event) => setCode(event.target.value)}
            />
            <Button kind="danger" type="submit" disabled={remove.isPending}>
              {t("account.totp.remove")}
            </Button>
          </form>
        ) : begin.data ? (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              confirm.mutate();
            }}
          >
            <p>{t("account.totp.secret")}</p>
            <p>
              <code className="secret">{begin.data.secret.replace(/(.{4})/g, "$1 ")}</code>
            </p>
            <TextField
              label={t("signin.totp")}
              inputMode="numeric"
              maxLength={6}
              value={code}
              onChange={(event) => setCode(event.target.value)}
            />
            <Button kind="primary" type="submit">
              {t("account.totp.confirm")}
            </Button>
          </form>
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              begin.mutate();
            }}
          >
            {proofField}
            <Button type="submit" disabled={begin.isPending}>
              {t("account.totp.begin")}
            </Button>
          </form>
        )}
      </section>
      <section aria-labelledby="sessions">
        <h2 id="sessions">{t("account.sessions")}</h2>
        <QueryView query={sessions}>
          {(data) => (
            <ul className="document-list">
              {data.items.map((session) => (
                <li key={session.id}>
                  <span>
                    {session.address}
                    {wide}
                    {session.agent.slice(0, 60)}
                    {wide}
                    <span className="quiet-text">{dates.time(session.last_seen_at)}</span>
                  </span>
                  {session.current ? (
                    <span className="chip">{t("account.this")}</span>
                  ) : (
                    <Button onClick={() => end.mutate(session.id)}>{t("account.end")}</Button>
                  )}
                </li>
              ))}
            </ul>
          )}
        </QueryView>
      </section>
    </>
  );
}
