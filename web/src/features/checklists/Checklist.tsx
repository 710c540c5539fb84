import { useQuery } from "@tanstack/react-query";
import { get, query } from "../../api/client";
import { useSearch } from "../../app/router";
import { useSession } from "../../app/session";
import { useDates, useLanguage, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Notice, PageHead, QueryView, SelectField, Sign } from "../../ui/ui";
import { ItemDrawer } from "./ItemDrawer";
import { itemsToShow } from "./order";

// One framework: contradictions first, then in the official order. Filter, vendor and the open item live in the address bar.
export function Checklist({ id }: { id: string }) {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const { language } = useLanguage();
  const { facility } = useSession();
  const [search, setSearch] = useSearch();
  const vendor = search.get("vendor") ?? "";
  const show = search.get("show") ?? "";
  const open = search.get("item");
  const framework = useQuery({
    queryKey: ["framework", facility.id, id, vendor],
    queryFn: () => get("/api/v1/frameworks/{framework}", { framework: id, facility: facility.id, vendor }),
  });
  const vendors = useQuery({
    queryKey: ["vendors", facility.id],
    queryFn: () =>
      get("/api/v1/registers/{register}/records", { register: "vendor", facility: facility.id, limit: 500 }),
    enabled: framework.data?.per_vendor === true,
  });
  const document = (format: string) =>
    `/api/v1/documents/checklists/${id}${query({ facility: facility.id, vendor, format, language })}`;
  return (
    <QueryView query={framework}>
      {(data) => (
        <>
          <PageHead title={words(data.title)} lead={words(data.source)}>
            <a className="button secondary" href={document("pdf")} target="_blank" rel="noreferrer">
              {t("check.print")}
            </a>
            <a className="button secondary" href={document("xlsx")}>
              {t("check.xlsx")}
            </a>
          </PageHead>
          <div className="filters">
            {data.per_vendor && (
              <SelectField
                label={t("check.vendor")}
                value={vendor}
                onChange={(event) => setSearch({ vendor: event.target.value })}
              >
                <option value="">{t("app.none")}</option>
                {vendors.data?.items.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.number} {one.label}
                  </option>
                ))}
              </SelectField>
            )}
            <SelectField
              label={t("check.filter")}
              value={show}
              onChange={(event) => setSearch({ show: event.target.value })}
            >
              <option value="">{t("check.filter.all")}</option>
              <option value="contradiction">{t("contradiction")}</option>
              {(["gap", "stale", "no_evidence", "met", "not_applicable"] as const).map((verdict) => (
                <option key={verdict} value={verdict}>
                  {t(`verdict.${verdict}`)}
                </option>
              ))}
            </SelectField>
          </div>
          {data.per_vendor && !vendor && <Notice kind="plain">{t("check.vendor.choose")}</Notice>}
          <ul className="items">
            {itemsToShow(data.items, show).map((item) => (
              <li key={item.item}>
                <button type="button" className="item" onClick={() => setSearch({ item: item.item })}>
                  <span className="item-number">{item.number}</span>
                  <span className="item-text">
                    {words(item.object) && <span className="chip">{words(item.object)}</span>} {words(item.text)}
                    {item.contradiction && (
                      <span className="contradiction-line">
                        ⚠ {t(`contradiction.${item.contradiction}` as TextKey)}
                      </span>
                    )}
                    {item.declared && (
                      <span className="quiet-text declared-line">
                        {t("check.declared")}: {t(`answer.${item.declared.answer}`)}（
                        {dates.day(item.declared.confirmed_on)}）
                      </span>
                    )}
                  </span>
                  <span className="item-verdict">
                    <Sign verdict={item.verdict} />
                    {item.levels && <span className="quiet-text">{t("check.level", { n: item.level ?? 0 })}</span>}
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {data.items
            .filter((item) => item.item === open)
            .map((item) => (
              <ItemDrawer
                key={item.item}
                framework={data}
                item={item}
                vendor={vendor}
                close={() => setSearch({ item: "" })}
              />
            ))}
        </>
      )}
    </QueryView>
  );
}
