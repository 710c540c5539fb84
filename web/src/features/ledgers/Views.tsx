import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { get, post, erase } from "../../api/client";
import type { RegisterInfo } from "../../api/contract";
import { useWrite } from "../../api/write";
import { Link } from "../../app/router";
import { useTexts } from "../../texts/context";
import { Button, Dialog, Problem, TextField } from "../../ui/ui";

// Conditions that were kept under a name, and the present ones to keep.
export function Views({ info, current }: { info: RegisterInfo; current: string }) {
  const t = useTexts();
  const client = useQueryClient();
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState("");
  const views = useQuery({
    queryKey: ["views"],
    queryFn: () => get("/api/v1/views", {}),
  });
  const save = useWrite({
    mutationFn: () => post("/api/v1/views", {}, { register: info.name, name, query: current }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["views"] });
      setNaming(false);
      setName("");
    },
  });
  const remove = useWrite({
    mutationFn: (id: string) => erase("/api/v1/views/{id}", { id }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["views"] }),
  });
  const mine = views.data?.items.filter((view) => view.register === info.name) ?? [];
  return (
    <div className="views">
      {mine.map((view) => (
        <span key={view.id} className="chip">
          <Link to={`/ledgers/${info.name}?${view.query}`}>{view.name}</Link>
          <button type="button" aria-label={`${t("app.close")} ${view.name}`} onClick={() => remove.mutate(view.id)}>
            ✕
          </button>
        </span>
      ))}
      {current && (
        <Button kind="quiet" onClick={() => setNaming(true)}>
          {t("ledger.save_view")}
        </Button>
      )}
      {naming && (
        <Dialog title={t("ledger.save_view")} close={() => setNaming(false)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              save.mutate();
            }}
          >
            {save.error && <Problem error={save.error} />}
            <TextField
              label={t("ledger.view_name")}
              value={name}
              required
              onChange={(event) => setName(event.target.value)}
            />
            <Button kind="primary" type="submit">
              {t("app.save")}
            </Button>
          </form>
        </Dialog>
      )}
    </div>
  );
}
