import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiProblem, get, post } from "../../api/client";
import { useWrite } from "../../api/write";
import { useLanguage, useTexts } from "../../texts/context";
import { Button, ErrorSummary, PageHead, TextField } from "../../ui/ui";

export function SignIn() {
  const t = useTexts();
  const { language, setLanguage } = useLanguage();
  const client = useQueryClient();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [totp, setTotp] = useState("");
  const state = useQuery({
    queryKey: ["state"],
    queryFn: () => get("/api/v1/state", {}),
  });
  const enter = useWrite({
    mutationFn: () => post("/api/v1/session", {}, { login, password, totp }),
    onSuccess: () => client.invalidateQueries(),
  });
  const code = enter.error instanceof ApiProblem ? enter.error.code : "";
  const asks = code.startsWith("identity.totp") || totp !== "";
  return (
    <main className="alone" id="content">
      <div className="alone-brand">
        <img src="/icon.svg" alt="" width="40" height="40" />
        {t("app.name")}
      </div>
      <PageHead title={t("signin.title")} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          enter.mutate();
        }}
      >
        {code !== "identity.totp.needed" && <ErrorSummary error={enter.error} />}
        <TextField
          label={t("signin.login")}
          value={login}
          autoComplete="username"
          required
          onChange={(event) => setLogin(event.target.value)}
        />
        <TextField
          label={t("signin.password")}
          value={password}
          type="password"
          autoComplete="current-password"
          required
          onChange={(event) => setPassword(event.target.value)}
        />
        {asks && (
          <TextField
            label={t("signin.totp")}
            value={totp}
            inputMode="numeric"
            autoComplete="one-time-code"
            autoFocus
            maxLength={6}
            onChange={(event) => setTotp(event.target.value)}
          />
        )}
        <Button kind="primary" type="submit" disabled={enter.isPending}>
          {t("signin.title")}
        </Button>
      </form>
      <p className="foot">
        <Button
          kind="quiet"
          lang={language === "ja" ? "en" : "ja"}
          onClick={() => setLanguage(language === "ja" ? "en" : "ja")}
        >
          {t("app.language")}
        </Button>
        <span className="quiet-text">{state.data ? `Mamori ${state.data.version}` : ""}</span>
      </p>
    </main>
  );
}
