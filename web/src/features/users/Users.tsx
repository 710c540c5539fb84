import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, patch, post } from "../../api/client";
import type { Body, Shapes } from "../../api/contract";
import { useWrite } from "../../api/write";
import { useSession } from "../../app/session";
import { useDates, useTexts } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, Dialog, ErrorSummary, PageHead, Problem, QueryView, TextField, useProblemText } from "../../ui/ui";

type User = Shapes["FacilityUser"];
const roles = ["director", "safety_officer", "planning_manager", "operator", "staff", "vendor", "inspector"];

function Roles({ value, change }: { value: string[]; change: (roles: string[]) => void }) {
  const t = useTexts();
  return (
    <fieldset>
      <legend>{t("users.roles")}</legend>
      {roles.map((role) => (
        <label key={role} className="check">
          <input
            type="checkbox"
            checked={value.includes(role)}
            onChange={(event) => change(event.target.checked ? [...value, role] : value.filter((one) => one !== role))}
          />
          {t(`role.${role}` as TextKey)}
        </label>
      ))}
    </fieldset>
  );
}

function NewUser({ close }: { close: () => void }) {
  const t = useTexts();
  const client = useQueryClient();
  const { facility } = useSession();
  const [form, setForm] = useState({ login: "", name: "", password: "", roles: [] as string[] });
  const make = useWrite({
    mutationFn: () => post("/api/v1/users", { facility: facility.id }, form),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      close();
    },
  });
  const wrong = useProblemText(make.error);
  return (
    <Dialog drawer title={t("users.new")} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <ErrorSummary error={make.error} />
        <TextField
          label={t("users.login")}
          required
          value={form.login}
          problem={wrong("login")}
          onChange={(event) => setForm({ ...form, login: event.target.value })}
        />
        <TextField
          label={t("users.name")}
          required
          value={form.name}
          problem={wrong("name")}
          onChange={(event) => setForm({ ...form, name: event.target.value })}
        />
        <TextField
          label={t("users.password")}
          required
          type="password"
          autoComplete="new-password"
          help={t("setup.password_help")}
          value={form.password}
          problem={wrong("password")}
          onChange={(event) => setForm({ ...form, password: event.target.value })}
        />
        <Roles value={form.roles} change={(next) => setForm({ ...form, roles: next })} />
        {wrong("roles") && <p className="problem">{wrong("roles")}</p>}
        <Button kind="primary" type="submit" disabled={make.isPending}>
          {t("app.save")}
        </Button>
      </form>
    </Dialog>
  );
}

function EditUser({ user, close }: { user: User; close: () => void }) {
  const t = useTexts();
  const client = useQueryClient();
  const { facility } = useSession();
  const [held, setHeld] = useState(user.roles);
  const change = useWrite({
    mutationFn: (body: Body<"patch", "/api/v1/users/{user}">) =>
      patch("/api/v1/users/{user}", { user: user.id, facility: facility.id }, body),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      close();
    },
  });
  return (
    <Dialog drawer title={user.name} close={close}>
      {change.error && <Problem error={change.error} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ roles: held });
        }}
      >
        <Roles value={held} change={setHeld} />
        <Button kind="primary" type="submit">
          {t("app.save")}
        </Button>
      </form>
      <div className="actions">
        {!user.self && (
          <Button kind="danger" onClick={() => change.mutate({ enabled: !user.enabled })}>
            {user.enabled ? t("users.disable") : t("users.enable")}
          </Button>
        )}
        {user.locked_until && <Button onClick={() => change.mutate({ unlock: true })}>{t("users.unlock")}</Button>}
        <Button onClick={() => change.mutate({ end_sessions: true })}>{t("users.end_sessions")}</Button>
      </div>
    </Dialog>
  );
}

export function Users() {
  const t = useTexts();
  const dates = useDates();
  const { facility } = useSession();
  const [making, setMaking] = useState(false);
  const [editing, setEditing] = useState<User | null>(null);
  const users = useQuery({
    queryKey: ["users", facility.id],
    queryFn: () => get("/api/v1/users", { facility: facility.id }),
  });
  return (
    <>
      <PageHead title={t("users.title")}>
        <Button kind="primary" onClick={() => setMaking(true)}>
          {t("users.new")}
        </Button>
      </PageHead>
      <QueryView query={users}>
        {(data) => (
          <div className="table-scroll" tabIndex={0} role="region" aria-label={t("users.title")}>
            <table className="grid">
              <thead>
                <tr>
                  <th scope="col">{t("users.login")}</th>
                  <th scope="col">{t("users.name")}</th>
                  <th scope="col">{t("users.roles")}</th>
                  <th scope="col">{t("users.state")}</th>
                  <th scope="col">{t("users.totp")}</th>
                  <th scope="col">{t("users.last")}</th>
                </tr>
              </thead>
              <tbody>
                {data.items.map((user) => (
                  <tr key={user.id} onClick={() => setEditing(user)}>
                    <td>
                      <button
                        type="button"
                        className="link"
                        onClick={(event) => {
                          event.stopPropagation();
                          setEditing(user);
                        }}
                      >
                        {user.login}
                      </button>
                    </td>
                    <td>{user.name}</td>
                    <td>{user.roles.map((role) => t(`role.${role}` as TextKey)).join("、")}</td>
                    <td>
                      {user.locked_until && new Date(user.locked_until) > new Date()
                        ? t("users.locked")
                        : user.enabled
                          ? t("users.enabled")
                          : t("users.disabled")}
                    </td>
                    <td>{user.totp ? "○" : "－"}</td>
                    <td>{user.last_login_at ? dates.time(user.last_login_at) : ""}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </QueryView>
      {making && <NewUser close={() => setMaking(false)} />}
      {editing && <EditUser user={editing} close={() => setEditing(null)} />}
    </>
  );
}
