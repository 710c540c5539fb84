#include "collect/events/logs.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "ledger/observed.h"
#include "store/journal.h"

namespace mamori::collect::events {
namespace {

constexpr store::Migration kSchema[] = {
    {"logs.1",
     "CREATE TABLE log_token (source {text} PRIMARY KEY, hash {text} NOT NULL UNIQUE, made_at BIGINT NOT NULL);"
     "CREATE TABLE log_usual (source {text} PRIMARY KEY, events DOUBLE PRECISION NOT NULL, days BIGINT NOT NULL, last_received_at BIGINT NOT NULL, drift DOUBLE PRECISION);"},
};

constexpr std::string_view kObserver = "log archive";
constexpr std::size_t kAtOnce = 4096;          // events of one append
constexpr std::size_t kMostDrifts = 200;
constexpr std::size_t kMostRefused = 1000;
const store::Actor kIntake{"", "log intake", "logs"};

std::int64_t hour_of(Instant at) { return std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count(); }

}  // namespace

Result<std::unique_ptr<Logs>> Logs::open(ledger::Ledger& ledger, archive::Archive& archive) {
  MAMORI_TRY(ledger.database().migrate(kSchema));
  return std::unique_ptr<Logs>(new Logs(ledger, archive));
}

// --- senders

Status Logs::load_sources() {
  const auto now = ledger_.database().clock().now();
  auto lease = MAMORI_TRY(ledger_.database().read());
  // Read again when the ledger changed, at most once in two seconds: one look at the journal's head otherwise.
  if (loaded_sequence_ >= 0 && now - loaded_ < std::chrono::seconds(2)) return {};
  const auto head = MAMORI_TRY(lease->query("SELECT sequence FROM journal_head"));
  const auto sequence = head.rows.empty() ? 0 : store::as_integer(head.rows[0][0]);
  loaded_ = now;
  if (sequence == loaded_sequence_) return {};
  std::vector<LogSource> sources;
  std::map<std::string, std::size_t> by_address, by_certificate, by_token;
  MAMORI_TRY(lease->each("SELECT id, facility, number, name, stream, state, asset, utc_offset_minutes, silent_after_hours, address, certificate FROM r_log_source WHERE retired_at IS NULL ORDER BY id", {}, [&](store::Row& row) {
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
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto rows = MAMORI_TRY(lease->query("SELECT id FROM r_facility WHERE retired_at IS NULL ORDER BY created_at, id LIMIT 1"));
  if (rows.rows.empty()) return Error{ErrorKind::conflict, "collect.log.no-facility"};
  return store::as_text(rows.rows[0][0]);
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
  auto made = ledger_.create(kIntake, *reg, facility, {fields, "first message"});
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

// --- intake

void Logs::roll(Counters& counters, Instant now) {
  const auto hour = hour_of(now);
  if (counters.hour < 0) counters.hour = hour;
  for (; counters.hour < hour; ++counters.hour) {
    const auto next = static_cast<std::size_t>((counters.hour + 1) % 24);
    if (hour - counters.hour > 24) {
      counters.events = counters.refused = counters.dropped = {};
      counters.hour = hour - 1;
      continue;
    }
    if (next == 0) {  // a day is over: what is usual follows slowly
      std::uint64_t day = 0;
      for (const auto count : counters.events) day += count;
      counters.usual = counters.days == 0 ? static_cast<double>(day) : counters.usual * 0.8 + static_cast<double>(day) * 0.2;
      ++counters.days;
    }
    counters.events[next] = counters.refused[next] = counters.dropped[next] = 0;
  }
}

void Logs::count(const LogSource& source, std::span<const archive::Event> events, std::size_t refused) {
  const std::lock_guard lock(mutex_);
  auto& counters = counters_[source.id];
  const auto now = events.empty() ? ledger_.database().clock().now() : events.back().received;
  roll(counters, now);
  const auto hour = static_cast<std::size_t>(counters.hour % 24);
  counters.events[hour] += events.size();
  counters.refused[hour] += refused;
  counters.total += events.size();
  if (!events.empty()) counters.last_received = std::max(counters.last_received, now);
  for (std::size_t i = 0; i < events.size(); i += std::max<std::size_t>(1, events.size() / 16)) {
    if (events[i].time == events[i].received) continue;
    const auto seconds = static_cast<float>(static_cast<double>((events[i].received - events[i].time).count()) / 1000.0);
    if (counters.drifts.size() < kMostDrifts) counters.drifts.push_back(seconds);
    else counters.drifts[counters.total % kMostDrifts] = seconds;
  }
  accepted_ += events.size();
  refused_ += refused;
}

void Logs::count_dropped(const LogSource& source, std::uint64_t events) {
  const std::lock_guard lock(mutex_);
  auto& counters = counters_[source.id];
  roll(counters, ledger_.database().clock().now());
  counters.dropped[static_cast<std::size_t>(counters.hour % 24)] += events;
  dropped_ += events;
}

std::optional<double> Logs::Counters::drift() const {
  if (drifts.empty()) return last_drift;
  auto sorted = drifts;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  return std::round(static_cast<double>(sorted[sorted.size() / 2]) * 10) / 10;
}

Result<Logs::Accepted> Logs::accept(const LogSource& source, std::string_view address, std::span<const Found> found) { return accept(source, address, found, ledger_.database().clock().now()); }

Result<Logs::Accepted> Logs::accept(const LogSource& source, std::string_view address, std::span<const Found> found, Instant received) {
  auto* stream = MAMORI_TRY(archive_.stream({source.facility, source.stream}));
  Accepted out;
  const Context context{received, source.number, address, source.zone};
  for (std::size_t start = 0; start < found.size(); start += kAtOnce) {
    archive::Arena arena;
    std::vector<archive::Event> events;
    const auto some = found.subspan(start, std::min(kAtOnce, found.size() - start));
    events.reserve(some.size());
    for (const auto& one : some) {
      if (one.raw.size() > archive::kLongestRaw) {
        out.refused.push_back({one.line, "archive.event.too-long"});
        continue;
      }
      auto& event = events.emplace_back();
      event.raw = one.raw;
      normalise(event, context, arena);
    }
    MAMORI_TRY(stream->append(events));
    out.events += events.size();
    count(source, events, 0);
  }
  if (!out.refused.empty()) count(source, {}, out.refused.size());
  return out;
}

namespace {

// A file as memory; the archive reads it once from front to end.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const Error failed{ErrorKind::not_found, "base.file.missing", {{"file", path.string()}}};
    if (file < 0) return failed;
    struct stat status {};
    if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(file);
      return Error{ErrorKind::unavailable, "base.file.unreadable", {{"file", path.string()}, {"reason", "not a regular file"}}};
    }
    MappedFile out;
    out.size_ = static_cast<std::size_t>(status.st_size);
    if (out.size_ != 0) {
      out.at_ = ::mmap(nullptr, out.size_, PROT_READ, MAP_PRIVATE, file, 0);
      if (out.at_ != MAP_FAILED) ::madvise(out.at_, out.size_, MADV_SEQUENTIAL);
    }
    ::close(file);
    if (out.size_ != 0 && out.at_ == MAP_FAILED) return failed;
    return out;
  }
  MappedFile(MappedFile&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (size_ != 0) ::munmap(at_, size_);
  }
  std::string_view bytes() const { return {static_cast<const char*>(at_), size_}; }
  // Gives back the memory of what has been read.
  void forget(std::size_t up_to) const {
    const auto whole = up_to / 4096 * 4096;
    if (whole != 0) ::madvise(at_, whole, MADV_DONTNEED);
  }

 private:
  MappedFile() = default;
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

Result<Logs::FileResult> Logs::import_file(const LogSource& source, const std::filesystem::path& path, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  auto* stream = MAMORI_TRY(archive_.stream({source.facility, source.stream}));
  const auto file = MAMORI_TRY(MappedFile::open(path));
  auto rest = file.bytes();
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  FileResult out;
  std::size_t line = 0;
  std::vector<std::string_view> texts;
  // Lines are cut here, everything else is done by the two workers of `crew`, in turn: batch after batch goes into the stream in order.
  struct Job {
    std::vector<std::string_view> texts;
    std::shared_ptr<archive::Batch> batch;
    bool done = false;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::shared_ptr<Job>> waiting, in_order;
  bool closed = false;
  const Context context{ledger_.database().clock().now(), source.number, {}, source.zone};
  const auto work = [&] {
    while (true) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return closed || !waiting.empty(); });
        if (waiting.empty()) return;
        job = std::move(waiting.front());
        waiting.pop_front();
      }
      auto batch = std::make_shared<archive::Batch>();
      batch->events.resize(job->texts.size());
      std::size_t total = 0;
      for (const auto text : job->texts) total += text.size();
      char* to = batch->arena.space(total + 1);
      for (std::size_t i = 0; i < job->texts.size(); ++i) {
        std::copy(job->texts[i].begin(), job->texts[i].end(), to);
        batch->events[i].raw = {to, job->texts[i].size()};
        to += job->texts[i].size();
        normalise(batch->events[i], context, batch->arena);
      }
      const std::lock_guard lock(mutex);
      job->batch = std::move(batch);
      job->done = true;
      changed.notify_all();
    }
  };
  std::thread second(work);
  Status failed;
  const auto hand_over = [&](std::size_t leave) {
    while (true) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock lock(mutex);
        if (in_order.size() <= leave) return;
        changed.wait(lock, [&] { return in_order.front()->done; });
        job = std::move(in_order.front());
        in_order.pop_front();
      }
      if (!failed) continue;
      out.events += job->batch->events.size();
      failed = stream->append_block(std::move(job->batch));
      if (progress) progress(static_cast<std::uint64_t>(job->texts.back().data() + job->texts.back().size() - file.bytes().data()), file.bytes().size());
    }
  };
  std::size_t bytes = 0;
  const auto flush = [&] {
    if (texts.empty()) return;
    auto job = std::make_shared<Job>();
    job->texts = std::move(texts);
    texts = {};
    bytes = 0;
    {
      const std::lock_guard lock(mutex);
      waiting.push_back(job);
      in_order.push_back(job);
    }
    changed.notify_all();
    hand_over(2);
    if (!in_order.empty() && in_order.front()->texts.front().data() > file.bytes().data() + (64u << 20)) file.forget(static_cast<std::size_t>(in_order.front()->texts.front().data() - file.bytes().data()) - (32u << 20));
  };
  while (!rest.empty() && failed) {
    const auto end = rest.find('\n');
    auto text = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    ++line;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) continue;
    if (text.size() > archive::kLongestRaw) {
      if (out.refused.size() < kMostRefused) out.refused.push_back({line, "archive.event.too-long"});
      continue;
    }
    texts.push_back(text);
    bytes += text.size();
    out.bytes += text.size();
    if (texts.size() == archive::kBlockEvents || bytes >= archive::kBlockBytes) flush();
  }
  flush();
  hand_over(0);
  {
    const std::lock_guard lock(mutex);
    closed = true;
  }
  changed.notify_all();
  second.join();
  MAMORI_TRY(failed);
  MAMORI_TRY(stream->settle());
  return out;
}

// --- reading

Result<std::vector<archive::Stream*>> Logs::streams(const std::vector<std::string>& facilities, const std::vector<std::string>& wanted) {
  std::vector<archive::Stream*> out;
  for (const auto& name : archive_.names(facilities)) {
    if (wanted.empty() ? name.name == "journal" : std::find(wanted.begin(), wanted.end(), name.name) == wanted.end()) continue;
    out.push_back(MAMORI_TRY(archive_.stream(name)));
  }
  return out;
}

Status Logs::record_use(const store::Actor& actor, const std::string& facility, std::string_view action, std::string_view question) {
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  transaction.journal(actor, {facility, "logs", "", std::string(action), "", json::serialize(json::object{{"question", question}}), ""});
  return transaction.commit();
}

// --- watching itself

Status Logs::feed_journal() {
  if (archive_.read_only()) return {};
  std::vector<std::string> facilities;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT DISTINCT facility FROM journal WHERE facility <> ''", {}, [&](store::Row& row) { facilities.push_back(store::as_text(row[0])); }));
  }
  for (const auto& facility : facilities) {
    auto* stream = MAMORI_TRY(archive_.stream({facility, "journal"}));
    std::int64_t last = -1;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = fed_.find(facility); found != fed_.end()) last = found->second;
    }
    if (last < 0) {  // after a start: the last entry in the stream says where it was
      last = 0;
      if (stream->size() > stream->first()) {
        const auto newest = MAMORI_TRY(stream->event(stream->size() - 1));
        if (const auto entry = parse_json_object(newest.event.raw)) last = integer_of(*entry, "sequence");
      }
    }
    while (true) {
      std::vector<store::JournalEntry> entries;
      {
        auto lease = MAMORI_TRY(ledger_.database().read());
        entries = MAMORI_TRY(store::read_journal_after(*lease, facility, last, 1000));
      }
      if (entries.empty()) break;
      archive::Arena arena;
      std::vector<archive::Event> events;
      for (const auto& entry : entries) {
        auto& event = events.emplace_back();
        event.raw = arena.keep(json::serialize(json::object{{"sequence", entry.sequence}, {"at", iso_instant(entry.at)}, {"actor", entry.actor.name}, {"actor_id", entry.actor.id}, {"origin", entry.actor.origin}, {"subject", entry.change.subject},
                                                            {"record", entry.change.record}, {"action", entry.change.action}, {"before", entry.change.before}, {"after", entry.change.after}, {"reason", entry.change.reason}, {"hash", entry.hash}})
                                   .substr(0, archive::kLongestRaw));
        event.time = entry.at;
        event.received = entry.at;
        using archive::Field;
        event[Field::source] = "journal";
        event[Field::kind] = "journal";
        event[Field::user] = arena.keep(entry.actor.name.substr(0, archive::kLongestField));
        event[Field::action] = arena.keep(entry.change.action);
        event[Field::object] = arena.keep(entry.change.subject + (entry.change.record.empty() ? "" : "/" + entry.change.record));
        last = entry.sequence;
      }
      MAMORI_TRY(stream->append(events));
      const std::lock_guard lock(mutex_);
      fed_[facility] = last;
    }
    const std::lock_guard lock(mutex_);
    fed_[facility] = last;
  }
  return {};
}

Status Logs::measure() {
  const auto now = ledger_.database().clock().now();
  std::map<std::string, std::vector<json::object>> facts;  // by facility
  {
    const std::lock_guard lock(mutex_);
    loaded_sequence_ = -1;
    MAMORI_TRY(load_sources());
    auto lease = MAMORI_TRY(ledger_.database().read());
    std::map<std::string, Instant> remembered;
    MAMORI_TRY(lease->each("SELECT source, events, days, last_received_at, drift FROM log_usual", {}, [&](store::Row& row) {
      const auto id = store::as_text(row[0]);
      remembered[id] = from_millis(store::as_integer(row[3]));
      auto& counters = counters_[id];
      if (!store::is_null(row[4]) && !counters.last_drift) counters.last_drift = std::strtod(store::as_text(row[4]).c_str(), nullptr);
      if (counters.days == 0) {
        counters.usual = std::strtod(store::as_text(row[1]).c_str(), nullptr);
        counters.days = static_cast<int>(store::as_integer(row[2]));
      }
    }));
    for (const auto& source : sources_) {
      auto& counters = counters_[source.id];
      roll(counters, now);
      if (const auto before = remembered.find(source.id); before != remembered.end()) counters.last_received = std::max(counters.last_received, before->second);
      if (counters.last_received == Instant{}) continue;  // nothing has ever come
      const auto sum = [](const auto& hours) {
        std::uint64_t total = 0;
        for (const auto count : hours) total += count;
        return total;
      };
      const auto day = sum(counters.events);
      json::object fact = {{"log_source", source.id}, {"last_received_at", iso_instant(counters.last_received)}, {"silent", now - counters.last_received > std::chrono::hours(source.silent_after_hours)},
                           {"events_day", day}, {"usual_day", static_cast<std::int64_t>(counters.usual)}, {"refused_day", sum(counters.refused)}, {"dropped_day", sum(counters.dropped)}};
      // Ten times as much or as little as usual, once what is usual is known and a whole day has been seen.
      fact["volume_odd"] = now - started_ >= std::chrono::hours(24) && counters.days >= 3 && counters.usual >= 50 && (static_cast<double>(day) > counters.usual * 10 || static_cast<double>(day) < counters.usual / 10);
      if (!source.asset.empty()) fact["asset"] = source.asset;
      if (const auto drift = counters.drift()) fact["drift_seconds"] = *drift;
      facts[source.facility].push_back(std::move(fact));
    }
  }
  if (facts.empty()) return {};
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_log"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  for (auto& [facility, list] : facts) MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility, std::string(kObserver), std::move(list), now, {}));
  std::vector<store::Row> rows;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, counters] : counters_)
      if (counters.last_received != Instant{}) rows.push_back({id, counters.usual, static_cast<std::int64_t>(counters.days), to_millis(counters.last_received), counters.drift() ? store::Value(*counters.drift()) : store::Value()});
  }
  MAMORI_TRY(transaction->execute_many("INSERT INTO log_usual VALUES (?,?,?,?,?) ON CONFLICT (source) DO UPDATE SET events = excluded.events, days = excluded.days, last_received_at = excluded.last_received_at, drift = excluded.drift", rows));
  return transaction.commit();
}

namespace {

// Whoever rewrites the archive would have to rewrite these too; every head stays, in a file of its own.
Status copy_head(const std::filesystem::path& folder, const archive::StreamName& name, const archive::Head& head) {
  if (folder.empty()) return {};
  const auto place = folder / name.facility / name.name;
  MAMORI_TRY(make_directory(place, FileMode::shared));
  return write_file(place / (iso_date(date_of(head.at)) + "_" + std::to_string(head.size) + ".note"), head.note);
}

}  // namespace

Status Logs::publish_heads() {
  if (archive_.read_only()) return {};
  Status copied;
  for (const auto& name : archive_.names()) {
    auto* stream = MAMORI_TRY(archive_.stream(name));
    if (stream->size() == 0) continue;
    const auto head = MAMORI_TRY(stream->publish_head());
    // A share that is away must not keep the other streams from being signed.
    if (auto done = copy_head(copy_heads_, name, head); !done) copied = std::move(done);
  }
  return copied;
}

Status Logs::retain() {
  if (archive_.read_only()) return {};
  std::map<archive::StreamName, archive::Retention> wanted;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT facility, stream, keep_years, keep_gigabytes FROM r_log_stream WHERE retired_at IS NULL", {}, [&](store::Row& row) {
      auto& retention = wanted[{store::as_text(row[0]), store::as_text(row[1])}];
      if (!store::is_null(row[2])) retention.age = std::chrono::hours(24 * 366 * store::as_integer(row[2]));
      if (!store::is_null(row[3])) retention.bytes = static_cast<std::uint64_t>(store::as_integer(row[3])) << 30;
    }));
  }
  for (const auto& [name, retention] : wanted) {
    auto stream = archive_.stream(name);
    if (!stream) continue;
    const auto removed = MAMORI_TRY((*stream)->retain(retention));
    if (removed == 0) continue;
    auto transaction = MAMORI_TRY(ledger_.database().begin());
    transaction.journal(kIntake, {name.facility, "logs", name.name, "retention", "", json::serialize(json::object{{"events", removed}, {"first", (*stream)->first()}}), ""});
    MAMORI_TRY(transaction.commit());
  }
  return {};
}

Result<archive::Verified> Logs::verify(const archive::StreamName& name, const std::function<void(const archive::Damage&)>& report) {
  auto* stream = MAMORI_TRY(archive_.stream(name));
  std::string damage;
  std::size_t told = 0;
  auto verified = stream->verify([&](const archive::Damage& found) {
    if (told++ < 5) damage += fmt::format("{}{} {}–{}", damage.empty() ? "" : "; ", found.what, found.first, found.last);
    report(found);
  });
  if (!archive_.read_only()) {
    const auto now = ledger_.database().clock().now();
    const auto* reg = MAMORI_TRY(ledger_.find_register("observed_archive"));
    json::object fact = {{"stream", name.name}, {"events", static_cast<std::int64_t>(stream->size())}, {"whole", verified.has_value()}};
    if (!damage.empty()) fact["damage"] = damage;
    if (verified) fact["root"] = archive::to_base64(verified->root);
    // One source per stream: a verification of one says nothing about the others.
    auto transaction = MAMORI_TRY(ledger_.database().begin());
    MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, name.facility, std::string(kObserver) + " " + name.name, {std::move(fact)}, now, {}));
    MAMORI_TRY(transaction.commit());
    const std::lock_guard lock(mutex_);
    verified_[name] = now;
  }
  return verified;
}

Result<std::vector<StreamState>> Logs::state(const std::vector<std::string>& facilities) {
  std::vector<StreamState> out;
  for (const auto& name : archive_.names(facilities)) {
    auto* stream = MAMORI_TRY(archive_.stream(name));
    out.push_back({name, stream->size(), stream->first(), stream->waiting(), stream->bytes_on_disk(), stream->raw_bytes(), stream->damage()});
  }
  return out;
}

DiskState Logs::disk() const {
  DiskState out;
  struct statvfs status {};
  if (::statvfs(archive_.directory().c_str(), &status) != 0) return out;
  out.free = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  out.total = static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize;
  if (growth_.size() > 1 && growth_.back().second > growth_.front().second) {
    const auto days = static_cast<double>((growth_.back().first - growth_.front().first).count()) / 86'400'000.0;
    const auto per_day = static_cast<double>(growth_.back().second - growth_.front().second) / std::max(days, 1.0 / 24);
    if (per_day > 0) out.days_left = static_cast<double>(out.free) / per_day;
  }
  return out;
}

Status Logs::tick() {
  const auto now = ledger_.database().clock().now();
  MAMORI_TRY(feed_journal());
  MAMORI_TRY(measure());
  Status published;
  if (now - last_heads_ >= std::chrono::hours(1)) {
    published = publish_heads();
    last_heads_ = now;
    std::uint64_t bytes = 0;
    for (const auto& name : archive_.names())
      if (auto stream = archive_.stream(name)) bytes += (*stream)->bytes_on_disk();
    growth_.emplace_back(now, bytes);
    if (growth_.size() > 24 * 14) growth_.erase(growth_.begin());
  }
  if (now - last_retention_ >= std::chrono::hours(24)) {
    MAMORI_TRY(retain());
    last_retention_ = now;
  }
  // One stream a minute at most; the newest results are in the ledger.
  for (const auto& name : archive_.names()) {
    Instant last{};
    {
      auto lease = MAMORI_TRY(ledger_.database().read());
      const auto rows = MAMORI_TRY(lease->query("SELECT MAX(observed_at) FROM r_observed_archive WHERE facility = ? AND stream = ? AND retired_at IS NULL", {name.facility, name.name}));
      if (!rows.rows.empty() && !store::is_null(rows.rows[0][0])) last = from_millis(store::as_integer(rows.rows[0][0]));
    }
    if (now - last < std::chrono::hours(24 * 7)) continue;
    (void)verify(name).has_value();  // its result is the fact it writes
    break;
  }
  return published;
}

std::string Logs::metrics() {
  std::string out = fmt::format("# TYPE mamori_log_events_total counter\nmamori_log_events_total {}\n# TYPE mamori_log_refused_total counter\nmamori_log_refused_total {}\n# TYPE mamori_log_dropped_total counter\nmamori_log_dropped_total {}\n", accepted_.load(), refused_.load(), dropped_.load());
  out += "# TYPE mamori_log_stream_events gauge\n";
  std::string waiting = "# TYPE mamori_log_stream_waiting gauge\n", bytes = "# TYPE mamori_log_stream_bytes gauge\n";
  for (const auto& name : archive_.names()) {
    const auto stream = archive_.stream(name);
    if (!stream) continue;
    const auto label = fmt::format("{{facility=\"{}\",stream=\"{}\"}}", name.facility, name.name);
    out += fmt::format("mamori_log_stream_events{} {}\n", label, (*stream)->size());
    waiting += fmt::format("mamori_log_stream_waiting{} {}\n", label, (*stream)->waiting());
    bytes += fmt::format("mamori_log_stream_bytes{} {}\n", label, (*stream)->bytes_on_disk());
  }
  const auto space = disk();
  out += waiting + bytes + fmt::format("# TYPE mamori_log_disk_free_bytes gauge\nmamori_log_disk_free_bytes {}\n", space.free);
  const std::lock_guard lock(mutex_);
  std::string lag = "# TYPE mamori_log_source_drift_seconds gauge\n", last = "# TYPE mamori_log_source_last_received_seconds gauge\n";
  for (const auto& source : sources_) {
    const auto counters = counters_.find(source.id);
    if (counters == counters_.end() || counters->second.last_received == Instant{}) continue;
    last += fmt::format("mamori_log_source_last_received_seconds{{source=\"{}\"}} {}\n", source.number, to_millis(counters->second.last_received) / 1000);
    if (const auto drift = counters->second.drift()) lag += fmt::format("mamori_log_source_drift_seconds{{source=\"{}\"}} {}\n", source.number, *drift);
  }
  return out + last + lag;
}

}  // namespace mamori::collect::events
