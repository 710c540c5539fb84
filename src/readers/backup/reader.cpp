// Backup repositories. Settings: data/readers/backup.yaml.
#include "readers/reader.h"
#include "base/text.h"
#include "readers/backup/backup.h"

namespace mamori::readers::backup {
namespace {

class BackupReader final : public Reader {
 public:
  std::string_view kind() const override { return "backup"; }

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
    return read_repository(settings);
  }

  Result<Reading> parse(std::string_view bytes, const Order& order) const override {
    return parse_listing(bytes, order.name);
  }
};

}  // namespace

std::unique_ptr<Reader> make_reader() { return std::make_unique<BackupReader>(); }

}  // namespace mamori::readers::backup
