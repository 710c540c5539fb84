import { useQuery } from "@tanstack/react-query";
import { get, query } from "../../api/client";
import { fetchFile, saveFile } from "../../api/download";
import { useWrite } from "../../api/write";
import { useRegisters } from "../../app/registers";
import { useSession } from "../../app/session";
import { useLanguage, useTexts, useWords } from "../../texts/context";
import { Button, FileLink, PageHead, Problem, QueryView } from "../../ui/ui";

export function Documents() {
  const t = useTexts();
  const words = useWords();
  const { language } = useLanguage();
  const { facility } = useSession();
  const registers = useRegisters();
  const link = (path: string, format: string, more = {}) =>
    `/api/v1/documents/${path}${query({ facility: facility.id, language, format, ...more })}`;
  const frameworks = useQuery({
    queryKey: ["frameworks", facility.id],
    queryFn: () => get("/api/v1/frameworks", { facility: facility.id }),
  });
  const make = useWrite({
    mutationFn: async () =>
      saveFile(await fetchFile(`/api/v1/documents/inspection-package${query({ facility: facility.id, language })}`)),
  });
  const row = (name: string, path: string, more: Record<string, string> = {}) => (
    <li key={name}>
      <span>{name}</span>
      <span className="actions">
        <FileLink look className="button secondary" href={link(path, "pdf", more)} aria-label={`${name} PDF`}>
          PDF
        </FileLink>
        <FileLink className="button secondary" href={link(path, "xlsx", more)} aria-label={`${name} Excel`}>
          Excel
        </FileLink>
      </span>
    </li>
  );
  return (
    <>
      <PageHead title={t("docs.title")} lead={t("docs.lead")} />
      <section className="package" aria-labelledby="package">
        <h2 id="package">{t("docs.package")}</h2>
        <p>{t("docs.package.text")}</p>
        {make.error && <Problem error={make.error} />}
        <Button kind="primary" onClick={() => make.mutate()} disabled={make.isPending}>
          {make.isPending ? t("app.loading") : t("docs.package.make")}
        </Button>
      </section>
      <section aria-labelledby="doc-ledgers">
        <h2 id="doc-ledgers">{t("docs.ledgers")}</h2>
        <ul className="document-list">
          {registers.data?.items.flatMap((register) =>
            register.printed.map(({ as, title }) => row(words(title), `registers/${register.name}`, { as })),
          )}
          <li>
            <span>{t("docs.heads")}</span>
            <span className="actions">
              <FileLink
                look
                className="button secondary"
                href={link("log-heads", "pdf")}
                aria-label={`${t("docs.heads")} PDF`}
              >
                PDF
              </FileLink>
            </span>
          </li>
        </ul>
      </section>
      <section aria-labelledby="doc-checklists">
        <h2 id="doc-checklists">{t("docs.checklists")}</h2>
        <QueryView query={frameworks}>
          {(data) => (
            <ul className="document-list">
              {data.items
                .filter((one) => !one.per_vendor)
                .map((one) => row(words(one.title), `checklists/${one.framework}`))}
            </ul>
          )}
        </QueryView>
      </section>
    </>
  );
}
