// What people say of an official item: yes, no with a target date, not applicable; twice a year, as the forms
// ask.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/catalog.h"
#include "store/database.h"

namespace mamori::assess {

enum class Answer { yes, no, not_applicable };
std::string_view name_of(Answer answer);
std::optional<Answer> parse_answer(std::string_view name);

struct Declaration {
  std::string framework, item, vendor;  // vendor "" = the facility itself
  Answer answer = Answer::no;
  std::string confirmed_on;  // ISO day
  std::string target_on;     // of a "no"
  std::string remark;
  std::string by;
  Instant at;
  int round = 1;  // the official forms ask twice a year: 1回目, 2回目 (CHK-01)
};
constexpr int kRounds = 2;

json::object to_json(const Declaration& declaration);

// Threads: all calls may come from several. What it is given outlives it.
class Declarations {
 public:
  Declarations(store::Database& database, const catalog::Catalog& catalog)
      : database_(database), catalog_(catalog) {}

  // A declaration of a round replaces what was said for the same round; the journal keeps the former.
  // Errors: assess.item.unknown, assess.declaration.invalid (a second round without a first; a "no" needs a
  // target date within the fiscal year; a date that is none).
  Result<Declaration> declare(const store::Actor& actor, const std::string& facility,
                              Declaration declaration);
  // Of one framework, by item, rounds in order.
  Result<std::vector<Declaration>> list(const std::string& facility, const std::string& framework,
                                        const std::string& vendor) const;

 private:
  store::Database& database_;
  const catalog::Catalog& catalog_;
};

}  // namespace mamori::assess
