import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { ApiProblem, get } from "../api/client";
import type { Facility } from "../api/contract";
import { Account } from "../features/account/Account";
import { Checklist } from "../features/checklists/Checklist";
import { Checklists } from "../features/checklists/Checklists";
import { Documents } from "../features/documents/Documents";
import { Import } from "../features/import/Import";
import { Jobs } from "../features/jobs/Jobs";
import { Journal } from "../features/journal/Journal";
import { Ledgers } from "../features/ledgers/Ledgers";
import { RecordList } from "../features/ledgers/RecordList";
import { RecordPage } from "../features/ledgers/RecordPage";
import { Logs } from "../features/logs/Logs";
import { Sources } from "../features/sources/Sources";
import { Setup } from "../features/start/Setup";
import { SignIn } from "../features/start/SignIn";
import { Today } from "../features/today/Today";
import { Users } from "../features/users/Users";
import { useTexts } from "../texts/context";
import { Loading, PageHead, Problem } from "../ui/ui";
import { pageOf } from "./address";
import { PageBoundary } from "./PageBoundary";
import { Link, useRouter } from "./router";
import { SessionContext, useMay } from "./session";
import { Shell } from "./Shell";

// Every page there is: first part of the path, the permission it needs, what is drawn.
const pages: { name: string; permission: string; draw: (rest: string[]) => React.ReactNode }[] = [
  { name: "", permission: "findings_read", draw: () => <Today /> },
  {
    name: "checklists",
    permission: "findings_read",
    draw: ([framework]) => (framework ? <Checklist key={framework} id={framework} /> : <Checklists />),
  },
  {
    name: "ledgers",
    permission: "ledger_read",
    draw: ([register, id]) => {
      if (!register) return <Ledgers />;
      return id ? (
        <RecordPage key={id} register={register} id={id} />
      ) : (
        <RecordList key={register} register={register} />
      );
    },
  },
  { name: "import", permission: "ledger_write", draw: ([register]) => <Import register={register} /> },
  { name: "sources", permission: "sources_read", draw: () => <Sources /> },
  { name: "jobs", permission: "sources_read", draw: () => <Jobs /> },
  { name: "logs", permission: "logs_read", draw: ([view]) => <Logs view={view} /> },
  { name: "documents", permission: "documents_make", draw: () => <Documents /> },
  { name: "users", permission: "users_manage", draw: () => <Users /> },
  { name: "journal", permission: "journal_read", draw: () => <Journal /> },
  { name: "account", permission: "own_account", draw: () => <Account /> },
];

function Page() {
  const t = useTexts();
  const may = useMay();
  const { location } = useRouter();
  const asked = pageOf(location.path);
  const page = pages.find((candidate) => candidate.name === asked?.name);
  if (!page || !asked)
    return (
      <>
        <PageHead title={t("app.not_found")} />
        <Link to="/">{t("app.go_home")}</Link>
      </>
    );
  if (!may(page.permission)) {
    // Where Today is not for someone (staff), the first page is what is.
    if (page.name === "" && may("ledger_read")) return <Ledgers />;
    if (page.name === "") return <Account />;
    return <PageHead title={t("app.forbidden")} />;
  }
  return page.draw(asked.rest);
}

export function App() {
  const { location } = useRouter();
  const address = `${location.path}?${location.search.toString()}`;
  // Two of them: a page leaves the shell in use; what breaks the shell leaves at least a sentence.
  return (
    <PageBoundary address={address} around={(broken) => <main className="alone">{broken}</main>}>
      <Inside address={address} path={location.path} />
    </PageBoundary>
  );
}

function Inside({ address, path }: { address: string; path: string }) {
  const me = useQuery({ queryKey: ["me"], queryFn: () => get("/api/v1/session", {}), retry: false, staleTime: 60_000 });
  const [chosen, setChosen] = useState(() => localStorage.getItem("facility") ?? "");
  // Who looks after many facilities has only the first of them in "me".
  const listed = me.data?.facilities.find((facility) => facility.id === chosen);
  const elsewhere = useQuery({
    queryKey: ["facility", chosen],
    queryFn: () => get("/api/v1/facilities", { id: chosen }),
    enabled: !!chosen && !listed && !!me.data?.more_facilities,
    staleTime: 60_000,
  });
  const session = useMemo(() => {
    const first = listed ?? elsewhere.data?.items[0] ?? me.data?.facilities[0];
    if (!me.data || !first) return null;
    return {
      me: me.data,
      facility: first,
      setFacility: (facility: Facility) => {
        localStorage.setItem("facility", facility.id);
        setChosen(facility.id);
      },
    };
  }, [me.data, listed, elsewhere.data]);

  if (path === "/setup") return <Setup />;
  if (me.isPending || elsewhere.isLoading)
    return (
      <main className="alone">
        <Loading />
      </main>
    );
  if (me.error instanceof ApiProblem && me.error.status === 401) return <SignIn />;
  if (!session)
    return (
      <main className="alone">
        <Problem error={me.error} retry={() => void me.refetch()} />
      </main>
    );
  return (
    <SessionContext.Provider value={session}>
      <Shell>
        <PageBoundary address={`${session.facility.id} ${address}`}>
          <Page key={session.facility.id} />
        </PageBoundary>
      </Shell>
    </SessionContext.Provider>
  );
}
