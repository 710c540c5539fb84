#include "logs/logs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace mamori::logs {
namespace {

constexpr store::Migration kSchema[] = {
    {"logs.1",
     "CREATE TABLE log_token (source {text} PRIMARY KEY, hash {text} NOT NULL UNIQUE, made_at BIGINT NOT "
     "NULL);"
     "CREATE TABLE log_usual (source {text} PRIMARY KEY, events DOUBLE PRECISION NOT NULL, days BIGINT NOT "
     "NULL, last_received_at BIGINT NOT NULL, drift DOUBLE PRECISION);"},
};

constexpr std::size_t kMostUsed = 4096;  // questions remembered
constexpr std::chrono::hours kSameUse{1};

}  // namespace

Result<std::unique_ptr<Logs>> Logs::open(ledger::Ledger& ledger, archive::Archive& archive) {
  MAMORI_TRY(ledger.database().migrate(kSchema));
  MAMORI_TRY(Senders::migrate(ledger.database()));
  MAMORI_TRY(Counting::migrate(ledger.database()));
  MAMORI_TRY(Keeping::migrate(ledger.database()));
  return std::unique_ptr<Logs>(new Logs(ledger, archive));
}

// --- senders

Result<std::vector<LogSource>> Logs::sources(const std::string& facility) {
  std::vector<LogSource> out;
  for (auto& source : MAMORI_TRY(senders_.all()))
    if (source.facility == facility) out.push_back(std::move(source));
  return out;
}

std::vector<LogSource> Logs::known_sources(const std::string& facility) const {
  auto out = senders_.known();
  std::erase_if(out, [&](const LogSource& source) { return source.facility != facility; });
  return out;
}

Result<LogSource> Logs::source_called(const std::string& facility, std::string_view name) {
  for (auto& source : MAMORI_TRY(sources(facility)))
    if (source.number == name || source.name == name) return std::move(source);
  return Error{
      ErrorKind::not_found, "collect.log.source", {{"source", std::string(mamori::head(name, 100))}}};
}

Result<Secret> Logs::make_token(const store::Actor& actor, const store::Scope& scope,
                                const std::string& source) {
  const auto* reg = MAMORI_TRY(ledger_.find_register("log_source"));
  const auto record = MAMORI_TRY(ledger_.get(*reg, scope, source));
  Secret token("mml_" + random_token(48));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  MAMORI_TRY(transaction->execute(
      "INSERT INTO log_token VALUES (?,?,?) ON CONFLICT (source) DO UPDATE SET hash = excluded.hash, made_at "
      "= excluded.made_at",
      {source, sha256_hex(token.reveal()), to_millis(ledger_.database().clock().now())}));
  transaction.journal(actor, {record.facility, "log_source", source, "token_made", "", "", ""});
  MAMORI_TRY(transaction.commit());
  senders_.changed();
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
    if (!parsed)
      return Error{ErrorKind::invalid, "collect.log.time", {{"value", std::string(mamori::head(given, 40))}}};
    *into = *parsed;
  }
  return out;
}

Result<Logs::Streams> Logs::streams(const std::string& facility, const std::vector<std::string>& wanted) {
  Streams out;
  std::optional<Error> failure;
  for (const auto& name : MAMORI_TRY(archive_.names(facility))) {
    if (wanted.empty() ? name.base() == "journal"
                       : std::find(wanted.begin(), wanted.end(), name.base()) == wanted.end())
      continue;
    if (const auto stream = archive_.stream(name)) {
      out.open.push_back(*stream);
    } else {
      out.closed.push_back(damage_of(name, stream.error()));
      failure = stream.error();
    }
  }
  if (out.open.empty() && failure) return *failure;
  return out;
}

bool Question::about_patient() const { return !query.values_of(archive::Field::patient).empty(); }

Result<archive::SearchResult> Logs::search(const store::Actor& actor, const std::string& facility,
                                           std::span<const archive::Stream* const> streams,
                                           const Question& question, archive::SearchOptions options) {
  options.from = question.from;
  options.to = question.to;
  auto result = MAMORI_TRY(archive_.search(streams, question.query, options));
  // What is known to be gone might have been an answer.
  for (const auto* stream : streams)
    for (auto& hole : archive::holes(*stream)) {
      const auto same = [&](const archive::Damage& one) {
        return one.file == hole.file && one.first == hole.first;
      };
      if (std::none_of(result.damage.begin(), result.damage.end(), same))
        result.damage.push_back(std::move(hole));
    }
  using archive::Field;
  const auto& counted = result.counts[static_cast<std::size_t>(Field::patient)];
  const bool about = question.about_patient() || !counted.empty() ||
                     std::any_of(result.hits.begin(), result.hits.end(),
                                 [](const archive::Hit& hit) { return !hit.event[Field::patient].empty(); });
  if (about) MAMORI_TRY(record_search(actor, facility, question.text));
  return result;
}

Status Logs::record_search(const store::Actor& actor, const std::string& facility,
                           const std::string& question) {
  const auto now = ledger_.database().clock().now();
  const auto key = actor.id + "\n" + actor.name + "\n" + facility + "\n" + question;
  {
    const MutexLock lock(mutex_);
    if (const auto found = used_.find(key); found != used_.end() && now - found->second < kSameUse) return {};
  }
  MAMORI_TRY(record_use(actor, facility, "searched", question));
  const MutexLock lock(mutex_);
  if (used_.size() >= kMostUsed) used_.clear();
  used_[key] = now;
  return {};
}

Status Logs::record_use(const store::Actor& actor, const std::string& facility, std::string_view action,
                        std::string_view question) {
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  transaction.journal(actor, {facility, "logs", "", std::string(action), "",
                              json::serialize(json::object{{"question", question}}), ""});
  return transaction.commit();
}

std::string Logs::metrics() {
  std::string out = counting_.totals();
  out += "# TYPE mamori_log_stream_events gauge\n";
  std::string waiting = "# TYPE mamori_log_stream_waiting gauge\n",
              bytes = "# TYPE mamori_log_stream_bytes gauge\n";
  const auto names = archive_.names();
  out += fmt::format("# TYPE mamori_log_archive_up gauge\nmamori_log_archive_up {}\n", names ? 1 : 0);
  for (const auto& name : names ? *names : std::vector<archive::StreamName>()) {
    const auto stream = archive_.stream(name);
    if (!stream) continue;
    const auto label = fmt::format("{{facility=\"{}\",stream=\"{}\"}}", name.facility, name.name);
    out += fmt::format("mamori_log_stream_events{} {}\n", label, (*stream)->size());
    waiting += fmt::format("mamori_log_stream_waiting{} {}\n", label, (*stream)->waiting());
    bytes += fmt::format("mamori_log_stream_bytes{} {}\n", label, (*stream)->bytes_on_disk());
  }
  const auto space = keeping_.disk();
  return out + waiting + bytes +
         fmt::format("# TYPE mamori_log_disk_free_bytes gauge\nmamori_log_disk_free_bytes {}\n", space.free) +
         counting_.by_source();
}

}  // namespace mamori::logs
