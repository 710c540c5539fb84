import { useQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import type { Verdict } from "../../api/contract";
import { Link } from "../../app/router";
import { useSession } from "../../app/session";
import { useTexts, useWords } from "../../texts/context";
import { PageHead, QueryView, signs, wide } from "../../ui/ui";
import { frameworksInOrder } from "./order";

const order: Verdict[] = ["gap", "stale", "no_evidence", "met", "not_applicable"];

export function Checklists() {
  const t = useTexts();
  const words = useWords();
  const { facility } = useSession();
  const frameworks = useQuery({
    queryKey: ["frameworks", facility.id],
    queryFn: () => get("/api/v1/frameworks", { facility: facility.id }),
  });
  return (
    <>
      <PageHead title={t("check.title")} lead={t("check.lead")} />
      <QueryView query={frameworks}>
        {(data) => (
          <ul className="frameworks">
            {frameworksInOrder(data.items).map((one) => (
              <li key={one.framework}>
                <h2>
                  <Link to={`/checklists/${one.framework}`}>{words(one.title)}</Link>
                </h2>
                <p className="quiet-text">
                  {words(one.source)}
                  {wide}
                  {t("check.items", { n: one.items_total })}
                </p>
                <p className="counts">
                  {one.contradictions > 0 && (
                    <span className="sign contradiction">
                      <span aria-hidden="true">⚠</span>
                      {t("contradiction")} {one.contradictions}
                    </span>
                  )}
                  {order
                    .filter((verdict) => one.counts[verdict] > 0)
                    .map((verdict) => (
                      <span key={verdict} className={`sign ${verdict}`}>
                        <span aria-hidden="true">{signs[verdict]}</span>
                        {t(`verdict.${verdict}`)} {one.counts[verdict]}
                      </span>
                    ))}
                </p>
              </li>
            ))}
          </ul>
        )}
      </QueryView>
    </>
  );
}
