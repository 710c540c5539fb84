// The network: only segments for which the ledger says that somebody has allowed it. Settings:
// data/readers/network.yaml.
#include <set>

#include "readers/nmap/nmap.h"
#include "readers/reader.h"

namespace mamori::readers::nmap {
namespace {

class NetworkReader final : public Reader {
 public:
  std::string_view kind() const override { return "network"; }

  Result<Reading> read(const Order& order) const override {
    Settings settings{words_of(order.settings, "targets"), boolean_of(order.settings, "ports", true)};
    settings.stop = order.stop;
    std::set<std::string> allowed;
    {
      auto lease = MAMORI_TRY(order.ledger.read());
      MAMORI_TRY(
          lease->each("SELECT cidr FROM r_segment WHERE facility = ? AND retired_at IS NULL AND scan_allowed "
                      "AND cidr IS NOT NULL",
                      {order.facility}, [&](store::Row& row) { allowed.insert(store::as_text(row[0])); }));
    }
    if (settings.targets.empty()) settings.targets.assign(allowed.begin(), allowed.end());
    if (settings.targets.empty())
      return Error{ErrorKind::forbidden, "collect.nmap.not-allowed", {{"target", ""}}};
    for (const auto& target : settings.targets)
      if (!allowed.contains(target))
        return Error{ErrorKind::forbidden, "collect.nmap.not-allowed", {{"target", target}}};
    return scan(settings);
  }

  Result<Reading> parse(std::string_view bytes, const Order&) const override { return parse_xml(bytes); }

  // What was explained stays explained.
  Status settle(store::Transaction& transaction, const std::string& facility,
                const std::string& source) const override {
    const auto explained = MAMORI_TRY(transaction->execute(
        "UPDATE r_observed_host SET decision = 'explained' WHERE facility = ? AND observer = ? AND asset IS "
        "NULL "
        "AND decision_reason IS NOT NULL AND (decision IS NULL OR decision <> 'explained')",
        {facility, source}));
    if (explained > 0) transaction.touch(facility, "observed_host");
    return {};
  }
};

}  // namespace

std::unique_ptr<Reader> make_reader() { return std::make_unique<NetworkReader>(); }

}  // namespace mamori::readers::nmap
