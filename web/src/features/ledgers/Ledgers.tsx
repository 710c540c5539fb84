import { Link } from "../../app/router";
import { useLanguage, useTexts, useWords } from "../../texts/context";
import { PageHead, QueryView } from "../../ui/ui";
import { useRegisters } from "../../app/registers";

const groups: Record<string, [string, string]> = {
  organisation: ["体制", "Organisation"],
  devices: ["機器と媒体", "Devices and media"],
  access: ["アカウントと権限", "Accounts and rights"],
  network: ["ネットワーク", "Network"],
  vendors: ["事業者", "Vendors"],
  backup: ["バックアップ", "Backup"],
  staff: ["研修・訓練", "Training"],
  documents: ["文書と点検", "Documents and reviews"],
  incident: ["連絡先", "Contacts"],
  measured: ["測定された事実", "Measured facts"],
  other: ["その他", "Other"],
};

export function Ledgers() {
  const t = useTexts();
  const words = useWords();
  const { language } = useLanguage();
  const registers = useRegisters();
  return (
    <>
      <PageHead title={t("ledger.title")} />
      <QueryView query={registers}>
        {(data) => (
          <div className="register-groups">
            {Object.entries(groups)
              .filter(([group]) => data.items.some((one) => one.group === group))
              .map(([group, names]) => (
                <section key={group} aria-labelledby={`group-${group}`}>
                  <h2 id={`group-${group}`}>{names[language === "en" ? 1 : 0]}</h2>
                  <ul>
                    {data.items
                      .filter((one) => one.group === group)
                      .map((one) => (
                        <li key={one.name}>
                          <Link to={`/ledgers/${one.name}`}>{words(one.label)}</Link>{" "}
                          <span className="quiet-text">{t("ledger.count", { n: one.count.toLocaleString() })}</span>
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
