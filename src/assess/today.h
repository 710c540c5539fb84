// What to do today: findings, dates that come near, unknown devices; most urgent first.
#pragma once

#include "assess/framework.h"

namespace mamori::assess {

// One line of the Today page.
struct TodayRow {
  std::string
      kind;  // contradiction, gap, stale, target, support_end, contract_end, takeout, candidate, no_evidence
  int urgency = 0;  // 0 = most urgent
  Words text, reason;
  std::string date;  // ISO day, or ""
  std::string link;
  std::string key;  // stable name, for putting off
};

json::object to_json(const TodayRow& row);

// Threads: all calls may come from several. What it is given outlives it.
class Today {
 public:
  Today(store::Database& database, const catalog::Catalog& catalog, const Texts& texts,
        const Questions& questions, Controls& controls, Frameworks& frameworks)
      : database_(database),
        catalog_(catalog),
        texts_(texts),
        questions_(questions),
        controls_(controls),
        frameworks_(frameworks) {}

  Result<std::vector<TodayRow>> rows(const std::string& facility);
  // Error: assess.put_off.invalid (at most three months, with a reason).
  Status put_off(const store::Actor& actor, const std::string& facility, const std::string& key,
                 const std::string& until, const std::string& reason);

 private:
  store::Database& database_;
  const catalog::Catalog& catalog_;
  const Texts& texts_;
  const Questions& questions_;
  Controls& controls_;
  Frameworks& frameworks_;
};

}  // namespace mamori::assess
