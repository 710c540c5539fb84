import { Link } from "../../app/router";
import { useTexts } from "../../texts/context";
import { PageHead } from "../../ui/ui";
import { LogProof } from "./LogProof";
import { LogSearch } from "./LogSearch";
import { LogSources } from "./LogSources";

// Three views of the logs: what happened, who sends, and that nothing was altered.
export function Logs({ view = "" }: { view?: string }) {
  const t = useTexts();
  return (
    <>
      <PageHead
        title={t("logs.title")}
        lead={t(view === "sources" ? "logs.lead.sources" : view === "proof" ? "logs.lead.proof" : "logs.lead")}
      />
      <nav className="tabs" aria-label={t("logs.title")}>
        {(["", "sources", "proof"] as const).map((one) => (
          <Link key={one} to={`/logs${one && `/${one}`}`} aria-current={view === one ? "page" : undefined}>
            {t(one === "" ? "logs.tab.search" : one === "sources" ? "logs.tab.sources" : "logs.tab.proof")}
          </Link>
        ))}
      </nav>
      {view === "sources" ? <LogSources /> : view === "proof" ? <LogProof /> : <LogSearch />}
    </>
  );
}
