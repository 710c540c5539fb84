import { useInfiniteQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import { useSession } from "../../app/session";
import { useDates, useTexts, useWords } from "../../texts/context";
import type { TextKey } from "../../texts/texts";
import { Button, Loading, PageHead, Problem, wide } from "../../ui/ui";
import { useRegisters } from "../../app/registers";

export function Journal() {
  const t = useTexts();
  const words = useWords();
  const dates = useDates();
  const { facility } = useSession();
  const registers = useRegisters();
  const journal = useInfiniteQuery({
    queryKey: ["journal", facility.id],
    queryFn: ({ pageParam }) => get("/api/v1/journal", { facility: facility.id, before: pageParam }),
    initialPageParam: "",
    getNextPageParam: (last) => (last.items.length === 100 ? String(last.items.at(-1)?.sequence) : undefined),
  });
  const subject = (name: string) => words(registers.data?.items.find((one) => one.name === name)?.label) || name;
  return (
    <>
      <PageHead title={t("journal.title")} lead={t("journal.lead")} />
      {journal.error && <Problem error={journal.error} retry={() => void journal.refetch()} />}
      {journal.isPending && <Loading />}
      {journal.data && (
        <div className="table-scroll" tabIndex={0} role="region" aria-label={t("journal.title")}>
          <table className="grid plain">
            <thead>
              <tr>
                <th scope="col">#</th>
                <th scope="col">{t("journal.at")}</th>
                <th scope="col">{t("journal.who")}</th>
                <th scope="col">{t("journal.what")}</th>
                <th scope="col">{t("journal.why")}</th>
              </tr>
            </thead>
            <tbody>
              {journal.data.pages
                .flatMap((page) => page.items)
                .map((entry) => (
                  <tr key={entry.sequence}>
                    <td title={entry.hash}>{entry.sequence}</td>
                    <td>
                      <time dateTime={entry.at}>{dates.time(entry.at)}</time>
                    </td>
                    <td>{entry.actor}</td>
                    <td>
                      {t(`action.${entry.action}` as TextKey)}
                      {wide}
                      {subject(entry.subject)}
                    </td>
                    <td>
                      {entry.reason}
                      {wide}
                      <span className="quiet-text">{entry.origin}</span>
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
      {journal.hasNextPage && (
        <p>
          <Button onClick={() => void journal.fetchNextPage()}>{t("app.more")}</Button>
        </p>
      )}
    </>
  );
}
