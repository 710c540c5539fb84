// One way of reading the outside. Each has a folder of its own behind this interface, and a line in
// reader.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>

#include "base/crypto.h"
#include "readers/reading.h"
#include "store/database.h"

namespace mamori::readers {

// What is to be read, as somebody set it up.
struct Order {
  std::string facility;
  std::string name;  // of the source
  json::object settings;
  Secret secret;
  store::Database& ledger;  // for what it must allow
  std::stop_token stop;
  std::filesystem::path places;  // the file that names what of this machine and others may be read
};

// Threads: all calls may come from several.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::string_view kind() const = 0;
  // What is wrong with these settings beside what data/readers says of each; nothing: they can be tried.
  virtual std::vector<Problem> check(const json::object&) const { return {}; }
  // From the system itself, which is never written to. Errors: its own, collect.KIND.*.
  virtual Result<Reading> read(const Order& order) const = 0;
  // From a file that somebody brought. Error: what is wrong with it.
  virtual Result<Reading> parse(std::string_view bytes, const Order& order) const = 0;
  // After its facts were written, in the same transaction: what people decided of them stays so. `source`:
  // its id.
  virtual Status settle(store::Transaction&, const std::string& facility, const std::string& source) const {
    (void)facility, (void)source;
    return {};
  }
};

// The one of this kind, or none.
const Reader* find_reader(std::string_view kind);
std::vector<std::string_view> reader_names();

// Several words in one setting: between commas and line ends, and where `spaces`, between spaces too.
std::vector<std::string> words_of(const json::object& settings, std::string_view key, bool spaces = true);

namespace ldap {
std::unique_ptr<Reader> make_reader();
}
namespace nmap {
std::unique_ptr<Reader> make_reader();
}
namespace backup {
std::unique_ptr<Reader> make_reader();
}

}  // namespace mamori::readers
