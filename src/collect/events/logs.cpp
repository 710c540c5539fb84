#include "collect/events/logs.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "collect/events/recorded.h"

namespace mamori::collect::events {
namespace {

constexpr store::Migration kSchema[] = {
    {"logs.1",
     "CREATE TABLE log_token (source {text} PRIMARY KEY, hash {text} NOT NULL UNIQUE, made_at BIGINT NOT NULL);"
     "CREATE TABLE log_usual (source {text} PRIMARY KEY, events DOUBLE PRECISION NOT NULL, days BIGINT NOT NULL, last_received_at BIGINT NOT NULL, drift DOUBLE PRECISION);"},
};

constexpr std::size_t kMostUsed = 4096;  // questions remembered
constexpr std::chrono::hours kSameUse{1};

}  // namespace

Result<std::unique_ptr<Logs>> Logs::open(ledger::Ledger& ledger, archive::Archive& archive) {
  MAMORI_TRY(ledger.database().migrate(kSchema));
  MAMORI_TRY(Witness::migrate(ledger.database()));
  MAMORI_TRY(migrate_recorded(ledger.database()));
  return std::unique_ptr<Logs>(new Logs(ledger, archive));
}

// --- senders

Status Logs::load_sources() {
  const auto now = ledger_.database().clock().now();
  // Read again when the ledger changed, at most once in two seconds: one look at the journal's head otherwise.
  if (loaded_sequence_ >= 0 && now - loaded_ < std::chrono::seconds(2)) return {};
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto head = MAMORI_TRY(lease->query("SELECT sequence FROM journal_head"));
  const auto sequence = head.rows.empty() ? 0 : store::as_integer(head.rows[0][0]);
  loaded_ = now;
  if (sequence == loaded_sequence_) return {};
  std::vector<LogSource> sources;
  std::map<std::string, std::size_t> by_address, by_certificate, by_token;
  MAMORI_TRY(lease->each("SELECT id, facility, number, name, stream, state, asset, utc_offset_minutes, silent_after_hours, address, certificate, mapping FROM r_log_source WHERE retired_at IS NULL ORDER BY id", {}, [&](store::Row& row) {
    LogSource source;
    source.id = store::as_text(row[0]);
    source.facility = store::as_text(row[1]);
    source.number = store::as_text(row[2]);
    source.name = store::as_text(row[3]);
    source.stream = store::is_null(row[4]) ? "events" : store::as_text(row[4]);
    source.state = store::as_text(row[5]);
    source.asset = store::as_text(row[6]);
    if (!store::is_null(row[7])) source.zone = std::chrono::minutes(store::as_integer(row[7]));
    if (!store::is_null(row[8])) source.silent_after_hours = static_cast<int>(store::as_integer(row[8]));
    if (!store::is_null(row[9])) by_address[store::as_text(row[9])] = sources.size();
    if (!store::is_null(row[10])) by_certificate[to_lower_ascii(store::as_text(row[10]))] = sources.size();
    if (const auto text = store::is_null(row[11]) ? std::string() : store::as_text(row[11]); !trim(text).empty()) {
      auto mapping = parse_mapping(text);
      if (mapping) source.mapping = std::make_shared<const Mapping>(std::move(mapping).take());
      else source.mapping_problem = mapping.error().facts.front().second;
    }
    sources.push_back(std::move(source));
  }));
  MAMORI_TRY(lease->each("SELECT source, hash FROM log_token", {}, [&](store::Row& row) {
    const auto id = store::as_text(row[0]);
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (sources[i].id == id) by_token[store::as_text(row[1])] = i;
  }));
  sources_ = std::move(sources);
  by_address_ = std::move(by_address);
  by_certificate_ = std::move(by_certificate);
  by_token_ = std::move(by_token);
  loaded_sequence_ = sequence;
  return {};
}

Result<std::string> Logs::default_facility() {
  const auto seen = looked_after_ ? MAMORI_TRY(looked_after_()) : std::set<std::string>();
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto rows = MAMORI_TRY(lease->query("SELECT id FROM r_facility WHERE retired_at IS NULL ORDER BY created_at, id"));
  if (rows.rows.empty()) return Error{ErrorKind::conflict, "collect.log.no-facility"};
  for (const auto& row : rows.rows)
    if (seen.contains(store::as_text(row[0]))) return store::as_text(row[0]);
  return store::as_text(rows.rows[0][0]);  // nobody has a role anywhere: kept all the same
}

Result<LogSource> Logs::source_of(const Sender& sender) {
  const std::lock_guard lock(mutex_);
  MAMORI_TRY(load_sources());
  const Error refused{ErrorKind::forbidden, "collect.log.refused"};
  const LogSource* found = nullptr;
  if (!sender.token.empty()) {
    // Looked up by its hash: how long that takes says nothing about the token.
    const auto entry = by_token_.find(sha256_hex(sender.token));
    if (entry == by_token_.end()) return Error{ErrorKind::unauthenticated, "collect.log.token"};
    found = &sources_[entry->second];
  } else if (const auto entry = by_certificate_.find(sender.certificate); !sender.certificate.empty() && entry != by_certificate_.end()) {
    found = &sources_[entry->second];
  } else if (const auto by_address = by_address_.find(sender.address); by_address != by_address_.end()) {
    found = &sources_[by_address->second];
  }
  if (found) {
    if (found->state == "refused") return refused;
    return *found;
  }
  if (sender.address.empty()) return refused;
  if (static_cast<std::size_t>(std::count_if(sources_.begin(), sources_.end(), [](const LogSource& source) { return source.state == "unknown"; })) >= kMostUnknown) return refused;
  const auto* reg = MAMORI_TRY(ledger_.find_register("log_source"));
  const auto facility = MAMORI_TRY(default_facility());
  json::object fields = {{"name", sender.address}, {"address", sender.address}, {"state", "unknown"}, {"stream", "events"}, {"silent_after_hours", 24}, {"utc_offset_minutes", 540}};
  if (!sender.certificate.empty()) fields["certificate"] = sender.certificate;
  // The device of the ledger with this address, if there is one, is offered at once.
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto assets = MAMORI_TRY(lease->query("SELECT id FROM r_asset WHERE facility = ? AND ip = ? AND retired_at IS NULL", {facility, sender.address}));
  if (assets.rows.size() == 1) fields["asset"] = store::as_text(assets.rows[0][0]);
  auto made = ledger_.create(intake_actor(), *reg, facility, {fields, "first message"});
  if (!made) return std::move(made).take_error();
  loaded_sequence_ = -1;
  MAMORI_TRY(load_sources());
  const auto fresh = by_address_.find(sender.address);
  if (fresh == by_address_.end()) return refused;
  return sources_[fresh->second];
}

Result<std::vector<LogSource>> Logs::sources(const std::vector<std::string>& facilities) {
  const std::lock_guard lock(mutex_);
  MAMORI_TRY(load_sources());
  std::vector<LogSource> out;
  for (const auto& source : sources_)
    if (std::find(facilities.begin(), facilities.end(), source.facility) != facilities.end()) out.push_back(source);
  return out;
}

Result<LogSource> Logs::source_called(const std::string& facility, std::string_view name) {
  for (auto& source : MAMORI_TRY(sources({facility})))
    if (source.number == name || source.name == name) return std::move(source);
  return Error{ErrorKind::not_found, "collect.log.source", {{"source", std::string(mamori::head(name, 100))}}};
}

Result<Secret> Logs::make_token(const store::Actor& actor, const std::vector<std::string>& facilities, const std::string& source) {
  const auto* reg = MAMORI_TRY(ledger_.find_register("log_source"));
  const auto record = MAMORI_TRY(ledger_.get(*reg, facilities, source));
  Secret token("mml_" + random_token(48));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  MAMORI_TRY(transaction->execute("INSERT INTO log_token VALUES (?,?,?) ON CONFLICT (source) DO UPDATE SET hash = excluded.hash, made_at = excluded.made_at",
                                  {source, sha256_hex(token.reveal()), to_millis(ledger_.database().clock().now())}));
  transaction.journal(actor, {record.facility, "log_source", source, "token_made", "", "", ""});
  MAMORI_TRY(transaction.commit());
  const std::lock_guard lock(mutex_);
  loaded_sequence_ = -1;
  return token;
}

// --- reading

Result<Question> parse_question(std::string text, std::string_view from, std::string_view to) {
  Question out;
  out.query = MAMORI_TRY(archive::parse_query(text));
  out.text = std::move(text);
  for (const auto& [given, into] : {std::pair{from, &out.from}, std::pair{to, &out.to}}) {
    if (given.empty()) continue;
    const auto parsed = parse_instant(given);
    if (!parsed) return Error{ErrorKind::invalid, "collect.log.time", {{"value", std::string(mamori::head(given, 40))}}};
    *into = *parsed;
  }
  return out;
}

Result<std::vector<archive::Stream*>> Logs::streams(const std::vector<std::string>& facilities, const std::vector<std::string>& wanted) {
  std::vector<archive::Stream*> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facilities))) {
    if (wanted.empty() ? name.base() == "journal" : std::find(wanted.begin(), wanted.end(), name.base()) == wanted.end()) continue;
    out.push_back(MAMORI_TRY(archive_.stream(name)));
  }
  return out;
}

bool Question::about_patient(std::string_view found) const {
  if (!query.values_of(archive::Field::patient).empty()) return true;
  if (found.empty()) return false;
  // As a word, or in a field of the sender's own name: whoever asks for a number that turns out to be a patient's has looked for her.
  const auto patient = archive::searchable(found);
  const auto terms = query.terms();
  return std::any_of(terms.begin(), terms.end(), [&](const archive::Term* term) { return term->kind != archive::Term::Kind::field && (term->is(patient) || (term->kind == archive::Term::Kind::text && term->in(patient))); });
}

Result<archive::SearchResult> Logs::search(const store::Actor& actor, const std::string& facility, std::span<const archive::Stream* const> streams, const Question& question, archive::SearchOptions options) {
  options.from = question.from;
  options.to = question.to;
  auto result = MAMORI_TRY(archive_.search(streams, question.query, options));
  using archive::Field;
  const auto& counted = result.counts[static_cast<std::size_t>(Field::patient)];
  const bool about = question.about_patient() || std::any_of(result.hits.begin(), result.hits.end(), [&](const archive::Hit& hit) { return question.about_patient(hit.event[Field::patient]); }) ||
                     std::any_of(counted.begin(), counted.end(), [&](const archive::FieldCount& entry) { return question.about_patient(entry.value); });
  if (about) MAMORI_TRY(record_search(actor, facility, question.text));
  return result;
}

Status Logs::record_search(const store::Actor& actor, const std::string& facility, const std::string& question) {
  const auto now = ledger_.database().clock().now();
  const auto key = actor.id + "\n" + actor.name + "\n" + facility + "\n" + question;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = used_.find(key); found != used_.end() && now - found->second < kSameUse) return {};
  }
  MAMORI_TRY(record_use(actor, facility, "searched", question));
  const std::lock_guard lock(mutex_);
  if (used_.size() >= kMostUsed) used_.clear();
  used_[key] = now;
  return {};
}

Status Logs::record_use(const store::Actor& actor, const std::string& facility, std::string_view action, std::string_view question) {
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  transaction.journal(actor, {facility, "logs", "", std::string(action), "", json::serialize(json::object{{"question", question}}), ""});
  return transaction.commit();
}

}  // namespace mamori::collect::events
