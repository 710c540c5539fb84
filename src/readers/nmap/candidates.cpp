#include "readers/nmap/candidates.h"

#include "base/text.h"

namespace mamori::readers::nmap {

Result<ledger::Record> accept_candidate(ledger::Ledger& ledger, const store::Actor& actor,
                                        const store::Scope& scope, const std::string& host,
                                        const json::object& fields) {
  const auto* hosts = MAMORI_TRY(ledger.find_register("observed_host"));
  const auto* assets = MAMORI_TRY(ledger.find_register("asset"));
  auto transaction = MAMORI_TRY(ledger.database().begin());
  const auto seen = MAMORI_TRY(ledger.get_in(*transaction, *hosts, scope, host));
  ledger::Write write{fields, "found by " + text_of(seen.fields, "source")};
  for (const auto* name : {"mac", "ip", "hostname", "maker"})
    if (const auto value = text_of(seen.fields, name); !value.empty() && !write.fields.contains(name))
      write.fields[name] = value;
  const auto asset = MAMORI_TRY(ledger.create_in(transaction, actor, *assets, seen.facility, write));
  MAMORI_TRY(
      transaction->execute("UPDATE r_observed_host SET asset = ?, decision = 'accepted', matched_by = "
                           "'hand', version = version + 1 WHERE id = ?",
                           {asset.id, host}));
  transaction.touch(seen.facility, hosts->name);
  MAMORI_TRY(transaction.commit());
  return asset;
}

Status explain_candidate(ledger::Ledger& ledger, const store::Actor& actor, const store::Scope& scope,
                         const std::string& host, const std::string& reason) {
  if (trim(reason).empty() || length(reason) > 500) {
    Error bad{ErrorKind::invalid, "collect.source.invalid"};
    bad.problems.push_back({"reason", "collect.candidate.reason", {}});
    return bad;
  }
  const auto* hosts = MAMORI_TRY(ledger.find_register("observed_host"));
  auto transaction = MAMORI_TRY(ledger.database().begin());
  const auto seen = MAMORI_TRY(ledger.get_in(*transaction, *hosts, scope, host));
  MAMORI_TRY(
      transaction->execute("UPDATE r_observed_host SET decision = CASE WHEN asset IS NULL THEN 'explained' "
                           "ELSE decision END, decision_reason = ?, version = version + 1 WHERE id = ?",
                           {reason, host}));
  transaction.journal(actor, {seen.facility, "observed_host", host, "explained", "",
                              json::serialize(json::object{{"label", seen.label}}), reason});
  return transaction.commit();
}

}  // namespace mamori::readers::nmap
