import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, post } from "../../api/client";
import { useWrite } from "../../api/write";
import { useRouter } from "../../app/router";
import { useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, ErrorSummary, Loading, Notice, PageHead, SelectField, TextField, useProblemText } from "../../ui/ui";

const kinds = ["hospital", "clinic_with_beds", "clinic", "dental", "birth_centre", "pharmacy"];

// Behind the # of the address: no server, proxy or referrer learns of it.
const setupSecret = () => new URLSearchParams(window.location.hash.slice(1)).get("secret") ?? "";

export function Setup() {
  const t = useTexts();
  const words = useWords();
  const client = useQueryClient();
  const { go } = useRouter();
  const [form, setForm] = useState({
    facility_name: "",
    facility_kind: "hospital",
    beds: "",
    has_vendor: true,
    login: "manager",
    user_name: "",
    password: "",
  });
  const set = (values: Partial<typeof form>) => setForm({ ...form, ...values });
  const state = useQuery({ queryKey: ["state"], queryFn: () => get("/api/v1/state", {}) });
  const strength = useQuery({
    queryKey: ["strength", form.password, form.facility_name, form.login, form.user_name],
    queryFn: () =>
      post(
        "/api/v1/password-check",
        {},
        { password: form.password, facility_name: form.facility_name, login: form.login, user_name: form.user_name },
      ),
    enabled: form.password.length > 0,
    placeholderData: (before) => before,
  });
  const make = useWrite({
    mutationFn: () => post("/api/v1/setup", {}, { ...form, beds: Number(form.beds) || 0, secret: setupSecret() }),
    onSuccess: async () => {
      await client.invalidateQueries();
      window.setTimeout(() => go("/"), 1500);
    },
  });
  const wrong = useProblemText(make.error);
  if (state.isPending)
    return (
      <main className="alone">
        <Loading />
      </main>
    );
  if (make.isSuccess)
    return (
      <main className="alone">
        <Notice>{t("setup.done")}</Notice>
      </main>
    );
  if (state.data && !state.data.setup)
    return (
      <main className="alone">
        <PageHead title={t("setup.closed")} />
        <Button kind="primary" onClick={() => go("/")}>
          {t("signin.title")}
        </Button>
      </main>
    );
  return (
    <main className="alone" id="content">
      <div className="alone-brand">
        <img src="/icon.svg" alt="" width="40" height="40" />
        {t("app.name")}
      </div>
      <PageHead title={t("setup.title")} lead={t("setup.lead")} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <ErrorSummary error={make.error} />
        <fieldset>
          <legend>{t("setup.facility")}</legend>
          <TextField
            label={t("setup.name")}
            required
            value={form.facility_name}
            problem={wrong("name")}
            onChange={(event) => set({ facility_name: event.target.value })}
          />
          <SelectField
            label={t("setup.kind")}
            required
            value={form.facility_kind}
            onChange={(event) => set({ facility_kind: event.target.value })}
          >
            {kinds.map((kind) => (
              <option key={kind} value={kind}>
                {t(`kind.${kind}` as TextKey)}
              </option>
            ))}
          </SelectField>
          <TextField
            label={t("setup.beds")}
            inputMode="numeric"
            value={form.beds}
            onChange={(event) => set({ beds: event.target.value.replace(/\D/g, "") })}
          />
          <label className="check">
            <input
              type="checkbox"
              checked={form.has_vendor}
              onChange={(event) => set({ has_vendor: event.target.checked })}
            />
            {t("setup.vendor")}
          </label>
        </fieldset>
        <fieldset>
          <legend>{t("setup.user")}</legend>
          <TextField
            label={t("setup.user_name")}
            required
            value={form.user_name}
            autoComplete="name"
            onChange={(event) => set({ user_name: event.target.value })}
          />
          <TextField
            label={t("signin.login")}
            required
            value={form.login}
            autoComplete="username"
            problem={wrong("login")}
            onChange={(event) => set({ login: event.target.value })}
          />
          <TextField
            label={t("signin.password")}
            required
            type="password"
            value={form.password}
            autoComplete="new-password"
            help={t("setup.password_help")}
            onChange={(event) => set({ password: event.target.value })}
          />
          {form.password && strength.data && (
            <ul className="strength" aria-live="polite">
              {strength.data.problems.length === 0 ? (
                <li className="sign met">○</li>
              ) : (
                strength.data.problems.map((problem) => <li key={problem.code}>{words(problem)}</li>)
              )}
            </ul>
          )}
        </fieldset>
        <Button kind="primary" type="submit" disabled={make.isPending}>
          {t("setup.make")}
        </Button>
      </form>
    </main>
  );
}
