import { useMutation, useQuery } from "@tanstack/react-query";
import { get, query, type FrameworkSummary } from "../../api/client";
import { useSession } from "../../app/session";
import { useLanguage, useTexts, useWords } from "../../texts/context";
import { Button, PageHead, Problem, QueryView } from "../../ui/ui";

export function Documents() {
  const t = useTexts();
  const words = useWords();
  const { language } = useLanguage();
  const { facility } = useSession();
  const link = (path: string, format: string) => `/api/v1/documents/${path}${query({ facility: facility.id, language, format })}`;
  const frameworks = useQuery({ queryKey: ["frameworks", facility.id], queryFn: () => get<{ items: FrameworkSummary[] }>(`/api/v1/frameworks${query({ facility: facility.id })}`) });
  const make = useMutation({
    mutationFn: async () => {
      const response = await fetch(`/api/v1/documents/inspection-package${query({ facility: facility.id, language })}`, { credentials: "same-origin" });
      if (!response.ok) throw new Error(String(response.status));
      const url = URL.createObjectURL(await response.blob());
      const anchor = document.createElement("a");
      anchor.href = url;
      anchor.download = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "inspection-package.zip";
      anchor.click();
      URL.revokeObjectURL(url);
    },
  });
  const row = (name: string, path: string) => (
    <li key={path}><span>{name}</span><span className="actions"><a className="button secondary" href={link(path, "pdf")} target="_blank" rel="noreferrer" aria-label={`${name} PDF`}>PDF</a><a className="button secondary" href={link(path, "xlsx")} aria-label={`${name} Excel`}>Excel</a></span></li>
  );
  return (
    <>
      <PageHead title={t("docs.title")} lead={t("docs.lead")} />
      <section className="package" aria-labelledby="package">
        <h2 id="package">{t("docs.package")}</h2>
        <p>{t("docs.package.text")}</p>
        {make.error && <Problem error={make.error} />}
        <Button kind="primary" onClick={() => make.mutate()} disabled={make.isPending}>{make.isPending ? t("app.loading") : t("docs.package.make")}</Button>
      </section>
      <section aria-labelledby="doc-ledgers">
        <h2 id="doc-ledgers">{t("docs.ledgers")}</h2>
        <ul className="document-list">{row(t("docs.asset"), "registers/asset")}{row(t("docs.usage"), "registers/usage_log")}{row(t("docs.matrix"), "access-rights")}{row(t("docs.contacts"), "registers/contact")}
          <li><span>{t("docs.heads")}</span><span className="actions"><a className="button secondary" href={link("log-heads", "pdf")} target="_blank" rel="noreferrer" aria-label={`${t("docs.heads")} PDF`}>PDF</a></span></li></ul>
      </section>
      <section aria-labelledby="doc-checklists">
        <h2 id="doc-checklists">{t("docs.checklists")}</h2>
        <QueryView query={frameworks}>{(data) => <ul className="document-list">{data.items.filter((one) => !one.per_vendor).map((one) => row(words(one.title), `checklists/${one.framework}`))}</ul>}</QueryView>
      </section>
    </>
  );
}
