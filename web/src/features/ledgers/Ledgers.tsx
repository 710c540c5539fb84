import { useRegisters } from "../../app/registers";
import { Link } from "../../app/router";
import { useTexts, useWords } from "../../texts/context";
import { PageHead, QueryView } from "../../ui/ui";
import { groupText, inGroups } from "./groups";

export function Ledgers() {
  const t = useTexts();
  const words = useWords();
  const registers = useRegisters();
  return (
    <>
      <PageHead title={t("ledger.title")} />
      <QueryView query={registers}>
        {(data) => (
          <div className="register-groups">
            {inGroups(data.items).map(({ group, registers: items }) => (
              <section key={group} aria-labelledby={`group-${group}`}>
                <h2 id={`group-${group}`}>{t(groupText(group))}</h2>
                <ul>
                  {items.map((one) => (
                    <li key={one.name}>
                      <Link to={`/ledgers/${one.name}`}>{words(one.label)}</Link>{" "}
                      {one.count !== undefined && (
                        <span className="quiet-text">{t("ledger.count", { n: one.count.toLocaleString() })}</span>
                      )}
                    </li>
                  ))}
                </ul>
              </section>
            ))}
          </div>
        )}
      </QueryView>
    </>
  );
}
