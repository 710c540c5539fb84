// A directory: Active Directory, Samba, OpenLDAP. Settings: data/readers/directory.yaml.
#include "readers/reader.h"
#include "base/text.h"
#include "readers/ldap/entry.h"

namespace mamori::readers::ldap {
namespace {

class DirectoryReader final : public Reader {
 public:
  std::string_view kind() const override { return "directory"; }

  std::vector<Problem> check(const json::object& settings) const override {
    std::vector<Problem> out;
    const auto url = text_of(settings, "url");
    if (!url.empty() && !is_url(url)) out.push_back({"url", "collect.source.url", {}});
    if (!url.empty() && trim(text_of(settings, "base")).empty())
      out.push_back({"base", "collect.source.base", {}});
    if (const auto ca = text_of(settings, "ca"); !ca.empty() && !is_pem(ca))
      out.push_back({"ca", "collect.source.ca", {}});
    return out;
  }

  Result<Reading> read(const Order& order) const override {
    const auto& given = order.settings;
    const Settings settings{text_of(given, "url"), text_of(given, "base"), text_of(given, "bind_dn"),
                            order.secret,          text_of(given, "ca"),   groups(given)};
    const auto directory = MAMORI_TRY(read_directory(settings));
    return Reading{interpret(directory, settings.privileged_groups, order.ledger.clock().now()),
                   write_ldif(directory), "ldif"};
  }

  Result<Reading> parse(std::string_view bytes, const Order& order) const override {
    const auto directory = MAMORI_TRY(parse_ldif(bytes));
    return Reading{interpret(directory, groups(order.settings), order.ledger.clock().now()),
                   std::string(bytes), "ldif"};
  }

 private:
  // Names of groups may hold spaces.
  static std::vector<std::string> groups(const json::object& settings) {
    return words_of(settings, "privileged_groups", false);
  }
};

}  // namespace

std::unique_ptr<Reader> make_reader() { return std::make_unique<DirectoryReader>(); }

}  // namespace mamori::readers::ldap
