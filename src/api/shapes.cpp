#include "api/shapes.h"

namespace mamori::api {

using namespace shape;

Shape user_shape() {
  return named("User", object({{"id", text()},
                               {"login", text()},
                               {"name", text()},
                               {"enabled", boolean()},
                               {"totp", boolean()},
                               {"roles", map(list(text()))}},
                              {{"locked_until", instant()}, {"last_login_at", instant()}}));
}

Shape record_shape() {
  return named("Record", object({{"id", text()},
                                 {"register", text()},
                                 {"facility", text()},
                                 {"number", text()},
                                 {"label", text()},
                                 {"version", integer()},
                                 {"created_at", instant()},
                                 {"updated_at", instant()},
                                 {"fields", map(value())},
                                 {"refs", map(text())}},
                                {{"retired_at", instant()}, {"retired_reason", text()}}));
}

namespace {

Shape entry_shape(std::string_view name, const Shape& member) {
  return named(name, object({{"sequence", integer()},
                             {"at", instant()},
                             {"actor", text()},
                             {"origin", text()},
                             {"subject", text()},
                             {"record", text()},
                             {"action", text()},
                             {"before", nullable(map(member))},
                             {"after", nullable(map(member))},
                             {"reason", text()},
                             {"hash", text()}}));
}

}  // namespace

Shape journal_entry_shape() { return entry_shape("JournalEntry", any()); }
Shape record_change_shape() { return entry_shape("RecordChange", value()); }

Shape verdict_shape() {
  return named("Verdict", one_of({"met", "gap", "stale", "no_evidence", "not_applicable"}));
}

Shape record_ref_shape() {
  return named("RecordRef",
               object({{"register", text()}, {"id", text()}, {"label", text()}}, {{"detail", text()}}));
}

Shape evidence_shape() {
  return named("Evidence", object({{"register", text()},
                                   {"observed_at", nullable(instant())},
                                   {"life_days", number()},
                                   {"stale", boolean()},
                                   {"sources", list(text())},
                                   {"files", list(text())}}));
}

Shape field_shape() {
  const auto choice = named("Choice", object({{"value", text()}, {"label", words()}}));
  return named("Field",
               object({{"name", text()},
                       {"type", text()},
                       {"label", words()},
                       {"required", boolean()},
                       {"list", boolean()},
                       {"longest", integer()}},
                      {{"help", words()}, {"to", text()}, {"initial", text()}, {"choices", list(choice)}}));
}

Shape control_shape() {
  return named("Control", object({{"control", text()},
                                  {"title", words()},
                                  {"verdict", verdict_shape()},
                                  {"why", text()},
                                  {"subjects", integer()},
                                  {"violations", integer()},
                                  {"records", list(record_ref_shape())},
                                  {"evidence", list(evidence_shape())},
                                  {"next_step", words()},
                                  {"link", text()},
                                  {"requirements", list(text())},
                                  {"about", text()}},
                                 {{"since", instant()}}));
}

}  // namespace mamori::api
