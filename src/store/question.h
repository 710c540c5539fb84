// Questions: SELECT statements that come from data files (controls). They must mean the same on both engines
// and can do nothing but read. Two fences: this check of the text, and a connection that refuses everything
// else (Database::question).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace mamori::store {

// A question taken apart: parameters are `:name`, written `?` in `sql` and listed in order.
struct Question {
  std::string sql;
  std::vector<std::string> parameters;
  std::set<std::string> words;  // every identifier in it, lower case: which views it may be about
};

// Refuses what one engine lacks or what could do more than read: other statements, several statements,
// comments, quoted identifiers, functions outside the common list, LIKE on unfolded text is allowed and
// case-sensitive on both. Error: store.question.refused (facts: reason, position).
Result<Question> parse_question(std::string_view sql);

Result<Rows> ask(Database& database, const Question& question, const std::map<std::string, Value>& values);

}  // namespace mamori::store
