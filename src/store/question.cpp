#include "store/question.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace mamori::store {
namespace {

const std::set<std::string_view> kFunctions = {
    "count",      "sum",     "min",    "max",    "avg",       "coalesce", "nullif",  "lower", "upper",
    "length",     "replace", "trim",   "abs",    "substr",    "cast",     "exists",  "in",    "and",
    "or",         "not",     "case",   "when",   "then",      "else",     "as",      "on",    "where",
    "select",     "from",    "join",   "union",  "all",       "any",      "over",    "by",    "values",
    "row_number", "rank",    "having", "except", "intersect", "is",       "between", "like",  "end"};
const std::set<std::string_view> kForbidden = {"insert",
                                               "update",
                                               "delete",
                                               "drop",
                                               "create",
                                               "alter",
                                               "attach",
                                               "detach",
                                               "pragma",
                                               "vacuum",
                                               "replace_into",
                                               "grant",
                                               "revoke",
                                               "copy",
                                               "call",
                                               "do",
                                               "set",
                                               "begin",
                                               "commit",
                                               "rollback",
                                               "glob",
                                               "regexp",
                                               "ilike",
                                               "similar",
                                               "returning",
                                               "into",
                                               "for",
                                               "lateral",
                                               "match",
                                               "materialized",
                                               "sqlite_master",
                                               "pg_catalog",
                                               "information_schema",
                                               "recursive",
                                               "collate",
                                               "interval",
                                               "natural",
                                               "current_timestamp",
                                               "current_date",
                                               "current_time",
                                               "current_user",
                                               "session_user",
                                               "offset",
                                               "limit"};

Error refused(std::string reason, std::size_t at) {
  return {ErrorKind::invalid,
          "store.question.refused",
          {{"reason", std::move(reason)}, {"position", std::to_string(at + 1)}}};
}

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

Result<Question> parse_question(std::string_view raw) {
  const auto sql = trim(raw);
  Question question;
  std::string last_word;
  bool first = true;
  for (std::size_t i = 0; i < sql.size();) {
    const char c = sql[i];
    if (std::isspace(static_cast<unsigned char>(c))) {
      question.sql += ' ';
      ++i;
      continue;
    }
    if (c == '\'') {
      auto end = i + 1;
      while (true) {
        end = sql.find('\'', end);
        if (end == sql.npos) return refused("unterminated text", i);
        if (end + 1 < sql.size() && sql[end + 1] == '\'')
          end += 2;
        else
          break;
      }
      question.sql += sql.substr(i, end + 1 - i);
      i = end + 1;
      last_word.clear();
      continue;
    }
    if (c == ':') {
      auto end = i + 1;
      while (end < sql.size() && in_word(sql[end])) ++end;
      if (end == i + 1) return refused("'::' and ':' without a name", i);
      question.parameters.emplace_back(sql.substr(i + 1, end - i - 1));
      question.sql += '?';
      i = end;
      last_word.clear();
      continue;
    }
    if (starts_word(c)) {
      auto end = i;
      while (end < sql.size() && in_word(sql[end])) ++end;
      const auto word = to_lower_ascii(sql.substr(i, end - i));
      if (first && word != "select" && word != "with") return refused("not a SELECT", i);
      if (kForbidden.contains(word) || word.starts_with("pg_") || word.starts_with("sqlite_"))
        return refused("not allowed: " + word, i);
      first = false;
      question.words.insert(word);
      question.sql += sql.substr(i, end - i);
      last_word = word;
      i = end;
      continue;
    }
    if (std::isdigit(static_cast<unsigned char>(c))) {
      auto end = i;
      while (end < sql.size() && (std::isdigit(static_cast<unsigned char>(sql[end])) || sql[end] == '.'))
        ++end;
      question.sql += sql.substr(i, end - i);
      i = end;
      last_word.clear();
      continue;
    }
    if (c == '(' && !last_word.empty() && !kFunctions.contains(last_word)) {
      // A name before a bracket is a function, or the name of a common table expression before "(columns)":
      // only the former is used here.
      return refused("function not on both engines: " + last_word, i);
    }
    if (sql.substr(i).starts_with("--") || sql.substr(i).starts_with("/*")) return refused("comment", i);
    if (std::string_view("(),.*=<>+-/|!%").find(c) == std::string_view::npos)
      return refused(std::string("character ") + c, i);
    if (c == '-' && i + 1 < sql.size() && sql[i + 1] == '>') return refused("->", i);
    question.sql += c;
    ++i;
    last_word.clear();
  }
  if (first) return refused("empty", 0);
  return question;
}

Result<Rows> ask(Database& database, const Question& question, const std::map<std::string, Value>& values) {
  Row parameters;
  for (const auto& name : question.parameters) {
    const auto found = values.find(name);
    if (found == values.end()) return refused("unknown parameter :" + name, 0);
    parameters.push_back(found->second);
  }
  auto lease = MAMORI_TRY(database.question());
  return lease->query(question.sql, parameters);
}

}  // namespace mamori::store
