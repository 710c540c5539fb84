#include "assess/assessor.h"

namespace mamori::assess {
namespace {

constexpr store::Migration kSchema[] = {
    {"assess.1",
     "CREATE TABLE declaration (facility {text} NOT NULL, framework {text} NOT NULL, item {text} NOT NULL, "
     "vendor {text} NOT NULL, answer {text} NOT NULL, confirmed_on {text} NOT NULL, target_on {text} NOT "
     "NULL, remark {text} NOT NULL, declared_by {text} NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (facility, "
     "framework, item, vendor));"
     "CREATE TABLE finding (facility {text} NOT NULL, control {text} NOT NULL, verdict {text} NOT NULL, "
     "violations BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (facility, control, at));"
     "CREATE TABLE put_off (facility {text} NOT NULL, row_key {text} NOT NULL, until {text} NOT NULL, reason "
     "{text} NOT NULL, put_off_by {text} NOT NULL, PRIMARY KEY (facility, row_key));"},
    {"assess.2",
     "CREATE TABLE declaration_2 (facility {text} NOT NULL, framework {text} NOT NULL, item {text} NOT NULL, "
     "vendor {text} NOT NULL, round BIGINT NOT NULL, answer {text} NOT NULL, confirmed_on {text} NOT NULL, "
     "target_on {text} NOT NULL, remark {text} NOT NULL, declared_by {text} NOT NULL, at BIGINT NOT NULL, "
     "PRIMARY KEY (facility, framework, item, vendor, round));"
     "INSERT INTO declaration_2 SELECT facility, framework, item, vendor, 1, answer, confirmed_on, "
     "target_on, remark, declared_by, at FROM declaration;"
     "DROP TABLE declaration;"
     "ALTER TABLE declaration_2 RENAME TO declaration;"},
    {"assess.3",
     "ALTER TABLE finding ADD COLUMN since BIGINT;"
     "UPDATE finding SET since = (SELECT MIN(g.at) FROM finding g WHERE g.facility = finding.facility AND "
     "g.control = finding.control AND g.at <= finding.at AND g.at > COALESCE((SELECT MAX(h.at) FROM finding "
     "h "
     "WHERE h.facility = finding.facility AND h.control = finding.control AND h.at < finding.at AND "
     "h.verdict "
     "<> finding.verdict), -1));"},
};

}  // namespace

Result<std::unique_ptr<Assessor>> Assessor::open(ledger::Ledger& ledger, const catalog::Catalog& catalog,
                                                 const Texts& texts) {
  MAMORI_TRY(ledger.database().migrate(kSchema));
  std::unique_ptr<Assessor> made(new Assessor(ledger, catalog, texts));
  MAMORI_TRY(made->controls_.check());
  return made;
}

Assessor::Assessor(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Texts& texts)
    : catalog_(catalog),
      questions_(ledger),
      findings_(ledger.database()),
      declarations_(ledger.database(), catalog),
      controls_(ledger, catalog, questions_, findings_),
      frameworks_(ledger, catalog, texts, questions_, controls_, declarations_),
      today_(ledger.database(), catalog, texts, questions_, controls_, frameworks_) {}

}  // namespace mamori::assess
