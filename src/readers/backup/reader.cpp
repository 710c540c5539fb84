// Backup repositories. Settings: data/readers/backup.yaml.
#include "readers/reader.h"
#include "base/text.h"
#include "readers/backup/backup.h"

namespace mamori::readers::backup {
namespace {

class BackupReader final : public Reader {
 public:
  std::string_view kind() const override { return "backup"; }

  std::vector<Problem> check(const json::object& settings) const override {
    const auto place = parse_place(text_of(settings, "repository"));
    const auto kind = backup::parse_kind(text_of(settings, "kind"));
    if (place && kind && fits(*kind, *place)) return {};
    return {{"repository", "collect.source.repository", {}}};
  }

  Result<Reading> read(const Order& order) const override {
    Settings settings;
    settings.kind = parse_kind(text_of(order.settings, "kind")).value_or(Kind::folder);
    settings.repository = text_of(order.settings, "repository");
    settings.name = order.name;
    settings.password = order.secret;
    settings.pattern = text_of(order.settings, "pattern", "*");
    if (settings.pattern.empty()) settings.pattern = "*";
    settings.append_only = boolean_of(order.settings, "append_only");
    settings.stop = order.stop;
    settings.places = MAMORI_TRY(load_places(order.places));
    settings.now = order.ledger.clock().now();
    return read_repository(settings);
  }

  Result<Reading> parse(std::string_view bytes, const Order& order) const override {
    return parse_listing(bytes, order.name, order.ledger.clock().now());
  }
};

}  // namespace

std::unique_ptr<Reader> make_reader() { return std::make_unique<BackupReader>(); }

}  // namespace mamori::readers::backup
