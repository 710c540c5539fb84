import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { ApiProblem, get, erase } from "../api/client";
import { useLanguage, useTexts, useWords } from "../texts/context";
import type { TextKey } from "../texts/texts";
import { Button, Dialog, Problem, QueryView, TextField } from "../ui/ui";
import { isAt } from "./address";
import { Link, useRouter } from "./router";
import { useMay, useSession } from "./session";

const places: { to: string; text: TextKey; permission: string; phone?: boolean }[] = [
  { to: "/", text: "nav.today", permission: "findings_read", phone: true },
  { to: "/checklists", text: "nav.checklists", permission: "findings_read", phone: true },
  { to: "/ledgers", text: "nav.ledgers", permission: "ledger_read", phone: true },
  { to: "/import", text: "nav.import", permission: "ledger_write" },
  { to: "/sources", text: "nav.sources", permission: "sources_read", phone: true },
  { to: "/logs", text: "nav.logs", permission: "logs_read" },
  { to: "/documents", text: "nav.documents", permission: "documents_make", phone: true },
  { to: "/users", text: "nav.users", permission: "users_manage" },
  { to: "/jobs", text: "nav.jobs", permission: "sources_read" },
  { to: "/journal", text: "nav.journal", permission: "journal_read" },
  { to: "/account", text: "nav.account", permission: "own_account" },
];

function Search({ close }: { close: () => void }) {
  const t = useTexts();
  const words = useWords();
  const [text, setText] = useState("");
  const hits = useQuery({
    queryKey: ["search", text],
    queryFn: () => get("/api/v1/search", { text }),
    enabled: text.trim().length > 0,
    placeholderData: (before) => before,
  });
  const pages = places.filter((place) => text.trim() && t(place.text).includes(text.trim()));
  return (
    <Dialog title={t("app.search")} close={close}>
      <TextField
        label={t("app.search.hint")}
        value={text}
        autoFocus
        onChange={(event) => setText(event.target.value)}
      />
      {hits.error && <Problem error={hits.error} />}
      <ul className="hits" aria-live="polite">
        {pages.map((place) => (
          <li key={place.to}>
            <Link to={place.to} onClick={close}>
              {t(place.text)}
            </Link>
          </li>
        ))}
        {hits.data?.items.map((hit) => (
          <li key={hit.id}>
            <Link to={`/ledgers/${hit.register}/${hit.id}`} onClick={close}>
              <span className="quiet-text">{words(hit.register_label)}</span> {hit.label || hit.number}
            </Link>
          </li>
        ))}
        {text.trim() && hits.data?.items.length === 0 && pages.length === 0 && <li>{t("app.search.none")}</li>}
      </ul>
    </Dialog>
  );
}

// For whoever looks after more facilities than a list can show.
function ChooseFacility({ close }: { close: () => void }) {
  const t = useTexts();
  const { setFacility } = useSession();
  const [text, setText] = useState("");
  const found = useQuery({
    queryKey: ["facilities", text],
    queryFn: () => get("/api/v1/facilities", { text }),
  });
  return (
    <Dialog title={t("app.facility.choose")} close={close}>
      <TextField
        label={t("app.facility.find")}
        autoFocus
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <QueryView query={found}>
        {(data) =>
          data.items.length === 0 ? (
            <p>{t("app.facility.none")}</p>
          ) : (
            <>
              <ul className="facilities">
                {data.items.map((one) => (
                  <li key={one.id}>
                    <Button
                      kind="quiet"
                      onClick={() => {
                        setFacility(one);
                        close();
                      }}
                    >
                      {one.name}
                    </Button>
                  </li>
                ))}
              </ul>
              {data.total > data.items.length && (
                <p className="quiet-text">{t("app.facility.more", { n: data.total - data.items.length })}</p>
              )}
            </>
          )
        }
      </QueryView>
    </Dialog>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const t = useTexts();
  const { language, setLanguage } = useLanguage();
  const { me, facility, setFacility } = useSession();
  const may = useMay();
  const client = useQueryClient();
  const { location, go } = useRouter();
  const [searching, setSearching] = useState(false);
  const [choosing, setChoosing] = useState(false);
  const [stillIn, setStillIn] = useState<unknown>(null);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        event.preventDefault();
        setSearching(true);
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  const signOut = async () => {
    try {
      await erase("/api/v1/session", {});
    } catch (failure) {
      // Only who is not signed in any more is signed out.
      if (!(failure instanceof ApiProblem && failure.status === 401)) {
        setStillIn(failure);
        return;
      }
    }
    client.clear();
    go("/");
    window.location.reload();
  };
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t("app.skip")}
      </a>
      <header className="top">
        <Link to="/" className="brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          {t("app.name")}
        </Link>
        <span className="where">
          {me.more_facilities ? (
            <Button
              kind="quiet"
              aria-haspopup="dialog"
              aria-label={`${t("app.facility")}: ${facility.name}`}
              onClick={() => setChoosing(true)}
            >
              {facility.name}
            </Button>
          ) : me.facilities.length > 1 ? (
            <select
              aria-label={t("app.facility")}
              value={facility.id}
              onChange={(event) => {
                const one = me.facilities.find((each) => each.id === event.target.value);
                if (one) setFacility(one);
              }}
            >
              {me.facilities.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.name}
                </option>
              ))}
            </select>
          ) : (
            facility.name
          )}
        </span>
        <Button kind="quiet" className="search-button" onClick={() => setSearching(true)}>
          {t("app.search")}
        </Button>
        <Button
          kind="quiet"
          lang={language === "ja" ? "en" : "ja"}
          onClick={() => setLanguage(language === "ja" ? "en" : "ja")}
        >
          {t("app.language")}
        </Button>
        <Link to="/account" className="me">
          {me.name}
        </Link>
        <Button kind="quiet" onClick={() => void signOut()}>
          {t("app.sign_out")}
        </Button>
      </header>
      <nav className="rail" aria-label={t("app.menu")}>
        <ul>
          {places
            .filter((place) => may(place.permission))
            .map((place) => (
              <li key={place.to} className={place.phone ? "" : "desk-only"}>
                <Link to={place.to} aria-current={isAt(location.path, place.to) ? "page" : undefined}>
                  {t(place.text)}
                </Link>
              </li>
            ))}
        </ul>
      </nav>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      {choosing && <ChooseFacility close={() => setChoosing(false)} />}
      {stillIn !== null && (
        <Dialog title={t("app.sign_out.failed")} close={() => setStillIn(null)}>
          <Problem error={stillIn} />
          <p>{t("app.sign_out.still")}</p>
        </Dialog>
      )}
      {searching && <Search close={() => setSearching(false)} />}
    </div>
  );
}
