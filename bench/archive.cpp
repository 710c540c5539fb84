// Marks of the log archive: bench/run archive [EVENTS]. Same data for all; each figure with its mark or its
// ratio to a named peer.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "archive/cluster/archive.h"
#include "archive/embedded/archive.h"
#include "corpus.h"
#include "logs/receiver.h"
#include "os/keys.h"
#include "os/process.h"
#include "testing/clickhouse.h"

namespace {

using namespace mamori;
using Seconds = std::chrono::duration<double>;
double now() { return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void line(const char* name, double value, const char* unit, double mark, bool more_is_better) {
  if (mark == 0)
    std::printf("  %-62s %12.1f %-10s\n", name, value, unit);
  else
    std::printf("  %-62s %12.1f %-10s mark %10.1f  %5.2fx  %s\n", name, value, unit, mark,
                more_is_better ? value / mark : mark / value,
                (more_is_better ? value >= mark : value <= mark) ? "met" : "MISSED");
  std::fflush(stdout);
}

// Peak of the resident memory that is not the page cache's: anonymous pages.
double memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string text; std::getline(status, text);)
    if (text.starts_with("RssAnon:")) return std::strtod(text.c_str() + 8, nullptr) / 1024;
  return 0;
}

class Peak {
 public:
  Peak()
      : thread_([this] {
          while (!stop_) {
            most_ = std::max(most_.load(), memory_mb());
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
        }) {}
  ~Peak() {
    stop_ = true;
    thread_.join();
  }
  double most() const { return most_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<double> most_{0};
  std::thread thread_;
};

// Senders in a process of their own: lines from the file, over four connections, as fast as they are taken.
pid_t send_file(const std::filesystem::path& file, int port, std::size_t bytes) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int in = ::open(file.c_str(), O_RDONLY);
  const int out = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::connect(out, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) ::_exit(1);
  std::vector<char> buffer(1 << 20);
  std::size_t sent = 0;
  while (sent < bytes) {
    const auto count = ::read(in, buffer.data(), std::min(buffer.size(), bytes - sent));
    if (count <= 0) break;
    for (ssize_t at = 0; at < count;) {
      const auto done = ::send(out, buffer.data() + at, static_cast<std::size_t>(count - at), MSG_NOSIGNAL);
      if (done <= 0) ::_exit(2);
      at += done;
    }
    sent += static_cast<std::size_t>(count);
  }
  ::shutdown(out, SHUT_WR);
  char end;
  while (::read(out, &end, 1) > 0) {
  }
  ::_exit(0);
}

struct World {
  World(const std::filesystem::path& source, const std::filesystem::path& folder, const Clock& given_clock)
      : clock(given_clock),
        key(*os::open_or_make_signing_key(folder / "key")),
        database(*store::Database::open("sqlite:" + (folder / "ledger.db").string(), clock)),
        registers(*ledger::Registers::load(source / "data/registers")),
        ledger(*ledger::Ledger::open(*database, registers)),
        archive(*archive::EmbeddedArchive::open(folder / "archive", key, clock)),
        logs(*logs::Logs::open(*ledger, *archive)) {
    facility = ledger
                   ->create({"", "bench", "bench"}, **ledger->find_register("facility"), "",
                            {{{"name", "bench"}, {"kind", "hospital"}}, ""})
                   ->id;
    (void)ledger->create(
        {"", "bench", "bench"}, **ledger->find_register("log_source"), facility,
        {{{"name", "bench"}, {"address", "127.0.0.1"}, {"state", "accepted"}, {"stream", "events"}}, ""});
  }
  archive::Stream& stream() { return **archive->stream({facility, "events"}); }
  const Clock& clock;
  SigningKey key;
  std::unique_ptr<store::Database> database;
  ledger::Registers registers;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<archive::Archive> archive;
  std::unique_ptr<logs::Logs> logs;
  std::string facility;
};

double ask(World& world, const std::string& question, bool statistics, std::uint64_t* total = nullptr) {
  const archive::Stream* const streams[] = {&world.stream()};
  const auto query = archive::parse_query(question);
  archive::SearchOptions options{.statistics = statistics};
  options.limit_time = std::chrono::minutes(5);
  if (statistics)
    options.count = {archive::Field::user, archive::Field::action, archive::Field::outcome,
                     archive::Field::host, archive::Field::source};
  const auto start = now();
  const auto result = world.archive->search(streams, *query, options);
  const auto took = (now() - start) * 1000;
  if (total) *total = statistics ? result->total : result->hits.size();
  return took;
}

double best_of(int times, const std::function<double()>& run) {
  double best = run();
  for (int i = 1; i < times; ++i) best = std::min(best, run());
  return best;
}

// The same rows in ClickHouse with ZSTD, without proof: ordered by patient and time, its best index for
// asking about a patient.
void clickhouse(World& world, const std::filesystem::path& folder, std::size_t count, std::size_t raw,
                const std::string& patient) {
  const testing::ClickHouseServers servers(1);
  const archive::ClickHouse server(*archive::parse_clickhouse(servers.url()));
  std::string columns = "time Int64, received Int64, raw String";
  for (const auto field : archive::kFields)
    columns += ", f_" + std::string(archive::name_of(field)) + " String";
  if (!server.run("CREATE DATABASE mamori") ||
      !server.run("CREATE TABLE mamori.peer (" + columns +
                  ") ENGINE = MergeTree() PARTITION BY tuple() ORDER BY (f_patient, time)"))
    return;
  std::string rows;
  double took = 0;
  std::size_t inserted = 0, waiting = 0;
  const auto flush = [&] {
    const auto start = now();
    if (!server.put("mamori.peer", rows)) std::printf("  ClickHouse refused\n");
    took += now() - start;
    inserted += std::exchange(waiting, 0);
    rows.clear();
  };
  (void)world.stream()
      .each_match({}, archive::SearchOptions().from, archive::SearchOptions().to, 0,
                  [&](proof::LeafIndex, const archive::Event& event) -> Result<bool> {
                    archive::put_row(rows, to_millis(event.time));
                    archive::put_row(rows, to_millis(event.received));
                    archive::put_row(rows, event.raw);
                    for (const auto field : archive::kFields) archive::put_row(rows, event[field]);
                    if (++waiting == 500'000) flush();
                    return true;
                  })
      .has_value();
  flush();
  line("  peer: ClickHouse 18.16 inserting the same rows (in 500,000s, no sync)",
       static_cast<double>(inserted) / took / 1000, "k events/s", 0, true);
  (void)server.run("OPTIMIZE TABLE mamori.peer FINAL").has_value();
  const auto ask_server = [&](const std::string& statement) {
    const auto start = now();
    const auto answer = server.ask(statement);
    return answer ? (now() - start) * 1000 : -1;
  };
  const auto size =
      server.number("SELECT toUInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND table = 'peer'");
  if (size)
    line("  peer: ClickHouse with ZSTD, raw bytes to bytes on disk",
         static_cast<double>(raw) / static_cast<double>(*size), "to 1", 0, true);
  const auto of = [&](const std::string& condition) {
    return best_of(3, [&] {
      return ask_server("SELECT count(), min(time), max(time) FROM mamori.peer WHERE " + condition) +
             ask_server("SELECT time, raw FROM mamori.peer WHERE " + condition +
                        " ORDER BY time DESC LIMIT 100");
    });
  };
  line("  peer: ClickHouse, one patient by its primary key", of("f_patient = " + archive::sql_text(patient)),
       "ms", 0, false);
  line("  peer: ClickHouse, a rare word", of("position(raw, " + archive::sql_text(patient) + ") > 0"), "ms",
       0, false);
  const auto field = [&](const std::string& condition) {
    return best_of(2, [&] {
      auto took_all =
          ask_server("SELECT intDiv(time, 4000000000) AS bucket, count() FROM mamori.peer WHERE " +
                     condition + " GROUP BY bucket");
      for (const auto* name : {"user", "action", "outcome", "host", "source"})
        took_all += ask_server(std::string("SELECT f_") + name +
                               " AS value, count() AS many FROM mamori.peer WHERE " + condition +
                               " GROUP BY value ORDER BY many DESC LIMIT 12");
      return took_all + ask_server("SELECT time, raw FROM mamori.peer WHERE " + condition +
                                   " ORDER BY time DESC LIMIT 100");
    });
  };
  line("  peer: ClickHouse, user: with histogram and counts",
       field("f_user = " + archive::sql_text(bench::user_name(77))), "ms", 0, false);
  line("  peer: ClickHouse, outcome:failure with histogram and counts", field("f_outcome = 'failure'"), "ms",
       0, false);
  line("  peer: ClickHouse, everything with histogram and counts", field("1"), "ms", 0, false);
  (void)server.run("DROP TABLE mamori.peer").has_value();

  // Our own engine on it.
  const auto cluster = archive::ClusterArchive::open(*archive::parse_clickhouse(servers.url()),
                                                     folder / "cluster", world.key, world.clock);
  if (!cluster) return;
  auto* stream = *(*cluster)->stream({"bench", "events"});
  const auto most = std::min<std::size_t>(count, 1'000'000);
  std::vector<archive::Event> events;
  archive::Arena arena;
  double writing = 0;
  std::size_t written = 0;
  (void)world.stream()
      .each_match({}, archive::SearchOptions().from, archive::SearchOptions().to, 0,
                  [&](proof::LeafIndex, const archive::Event& event) -> Result<bool> {
                    auto& one = events.emplace_back(event);
                    one.raw = arena.keep(one.raw);
                    for (auto& value : one.fields) value = arena.keep(value);
                    if (events.size() == archive::kLargestBatch) {
                      const auto start = now();
                      if (!stream->append(events)) return false;
                      writing += now() - start;
                      written += events.size();
                      events.clear();
                      arena.clear();
                    }
                    return written < most;
                  })
      .has_value();
  line("our engine on ClickHouse, one writer, searchable and proven",
       static_cast<double>(written) / writing / 1000, "k events/s", 0, true);
}

}  // namespace

int main(int argc, char** argv) {
  crypto_ready();
  if (argc < 3) return 2;
  const std::filesystem::path source = argv[1];
  const std::size_t count = std::strtoull(argv[2], nullptr, 10);
  const bool has_peers = argc > 3 && std::string(argv[3]) == "peers";
  const char* given = std::getenv("MAMORI_TEST_DATA");
  const std::filesystem::path samples = given ? std::filesystem::path(given) : source / "../shared/data";
  const TemporaryFolder folder;
  const SystemClock clock;

  const auto file = folder.path() / "events.log";
  std::size_t raw = 0, tcp_bytes = 0;
  const std::size_t tcp_count = std::min<std::size_t>(count, 3'000'000);
  bool from_samples = false;
  {
    // Five years of events, as many as asked for.
    bench::Corpus corpus((samples / "loghub").string(), to_millis(clock.now()) - 5LL * 365 * 86'400'000,
                         5LL * 365 * 86'400'000'000 / static_cast<std::int64_t>(count));
    from_samples = corpus.from_samples();
    std::ofstream out(file, std::ios::binary);
    std::string block;
    for (std::size_t i = 0; i < count; ++i) {
      block += corpus.next();
      block += '\n';
      if (block.size() > (4u << 20) || i + 1 == count || i + 1 == tcp_count) {
        raw += block.size();
        out.write(block.data(), static_cast<std::streamsize>(block.size()));
        block.clear();
      }
      if (i + 1 == tcp_count) tcp_bytes = raw;
    }
  }
  std::printf("%zu events, %.2f GB, %.0f bytes each (%s)\n", count, static_cast<double>(raw) / 1e9,
              static_cast<double>(raw) / static_cast<double>(count),
              from_samples ? "loghub samples, audit messages, Windows events"
                           : "own lines, audit messages, Windows events");

  std::printf("Taking in\n");
  {
    std::filesystem::create_directories(folder.path() / "tcp");
    World world(source, folder.path() / "tcp", clock);
    const auto receiver = std::move(logs::Receiver::open({.tcp_port = 0}, *world.logs)).take();
    const auto start = now();
    const pid_t sender = send_file(file, receiver->tcp_port(), tcp_bytes);
    while (world.stream().size() < tcp_count && now() - start < 300)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto took = now() - start;
    int status = 0;
    ::waitpid(sender, &status, 0);
    line("TCP syslog, durable, indexed and proven", static_cast<double>(world.stream().size()) / took / 1000,
         "k events/s", 250, true);
    (void)world.stream().settle().has_value();
  }
  std::filesystem::remove_all(folder.path() / "tcp");
  World world(source, folder.path(), clock);
  auto& stream = world.stream();
  double memory = 0;
  {
    const Peak peak;
    const auto log_source = world.logs->source_of({.address = "127.0.0.1"});
    const auto start = now();
    const auto done = world.logs->import_file(*log_source, file);
    const auto took = now() - start;
    if (!done) {
      std::fprintf(stderr, "%s\n", describe(done.error()).c_str());
      return 1;
    }
    line("file import, durable, indexed and proven", static_cast<double>(done->events) / took / 1000,
         "k events/s", 500, true);
    line("  raw bytes", static_cast<double>(raw) / took / 1e6, "MB/s", 0, true);
    memory = peak.most();
  }
  if (has_peers) {
    // A plain file, the physical limit's neighbour: rsyslogd writes what it receives, without sync, index or
    // proof. With its own queue and its buffer full before it is written: without these each message would be
    // flushed alone.
    const auto out = folder.path() / "rsyslog.out";
    std::ofstream(folder.path() / "rsyslog.conf")
        << "global(workDirectory=\"" << folder.path().string()
        << "\" maxMessageSize=\"64k\")\nmodule(load=\"imptcp\")\ninput(type=\"imptcp\" port=\"15140\" "
           "address=\"127.0.0.1\" ruleset=\"r\" supportOctetCountedFraming=\"off\")\n"
           "template(name=\"t\" type=\"string\" string=\"%rawmsg%\\n\")\nruleset(name=\"r\" "
           "queue.type=\"FixedArray\" queue.size=\"200000\" queue.dequeueBatchSize=\"4096\" "
           "queue.timeoutEnqueue=\"60000\" queue.workerThreads=\"1\" queue.timeoutShutdown=\"60000\") { "
           "action(type=\"omfile\" file=\""
        << out.string() << "\" template=\"t\" ioBufferSize=\"1m\" flushOnTXEnd=\"off\") }\n";
    const pid_t daemon = ::fork();
    if (daemon == 0) {
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, 2);
      ::execl("/usr/sbin/rsyslogd", "rsyslogd", "-n", "-iNONE", "-f",
              (folder.path() / "rsyslog.conf").c_str(), nullptr);
      ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const auto start = now();
    const pid_t sender = send_file(file, 15140, tcp_bytes);
    int status = 0;
    ::waitpid(sender, &status, 0);
    ::kill(daemon, SIGTERM);  // writes out its queue
    ::waitpid(daemon, &status, 0);
    const auto took = now() - start;
    std::error_code missing;
    const auto written = std::filesystem::file_size(out, missing);
    if (missing || written < tcp_bytes - tcp_bytes / 50)
      std::printf("  rsyslogd wrote %.1f of %.1f MB\n", missing ? 0.0 : static_cast<double>(written) / 1e6,
                  static_cast<double>(tcp_bytes) / 1e6);
    line("  peer: rsyslogd into a plain file, TCP, no sync", static_cast<double>(tcp_count) / took / 1000,
         "k events/s", 0, true);
    std::filesystem::remove(out);
  }
  (void)stream.publish_head().has_value();

  std::printf("Size\n");
  const auto disk = static_cast<double>(stream.bytes_on_disk());
  line("raw bytes to bytes on disk, index and proof included", static_cast<double>(raw) / disk, "to 1", 12,
       true);
  line("  bytes an event", disk / static_cast<double>(count), "bytes", 0, false);
  if (has_peers) {
    const auto part = std::min<std::size_t>(raw, 200u << 20);
    const auto zstd = os::run_process(
        {"sh", "-c",
         "head -c " + std::to_string(part) + " '" + file.string() + "' | zstd -19 -T2 -c | wc -c"},
        {.limit = std::chrono::minutes(20)});
    if (zstd && zstd->exit_code == 0)
      line("  peer: zstd -19 of the raw file (first 200 MB), no index",
           static_cast<double>(part) / std::strtod(zstd->out.c_str(), nullptr), "to 1", 0, true);
  }

  std::printf("Finding (warm, best of 5)\n");
  {
    const Peak peak;
    const auto patient = bench::patient_id(count / 8192 * 97 % 200000 * 2654435761u % 200000);
    std::uint64_t total = 0;
    std::string found_patient;
    {  // a patient who is there: of an event in the middle
      for (auto index = stream.size() / 2; index < stream.size(); ++index) {
        const auto kept = stream.event(index);
        if (kept && !kept->event[archive::Field::patient].empty()) {
          found_patient = kept->event[archive::Field::patient];
          break;
        }
      }
    }
    line("everything about one patient, with histogram and counts",
         best_of(5, [&] { return ask(world, "patient:" + found_patient, true, &total); }), "ms", 50, false);
    std::printf("    patient %s: %llu events\n", found_patient.c_str(),
                static_cast<unsigned long long>(total));
    line("a rare word", best_of(5, [&] { return ask(world, found_patient, true, &total); }), "ms", 50, false);
    double sum = 0;
    for (int i = 0; i < 20; ++i) sum += ask(world, "nowhere" + std::to_string(i * 7919), true);
    line("a word that is nowhere, mean of 20", sum / 20, "ms", 50, false);
    line("a field with histogram and counts: user:",
         best_of(3, [&] { return ask(world, "user:" + bench::user_name(77), true, &total); }), "ms", 500,
         false);
    line("a field with histogram and counts: outcome:failure",
         best_of(3, [&] { return ask(world, "outcome:failure", true, &total); }), "ms", 500, false);
    line("everything with histogram and counts", best_of(3, [&] { return ask(world, "*", true, &total); }),
         "ms", 500, false);
    line("first page of everything", best_of(5, [&] { return ask(world, "*", false); }), "ms", 0, false);
    line("a frequent word, counted: password",
         best_of(2, [&] { return ask(world, "password", true, &total); }), "ms", 0, false);
    line("a quoted phrase, counted: \"Failed password\"",
         best_of(1, [&] { return ask(world, "\"Failed password\"", true, &total); }), "ms", 0, false);
    memory = std::max(memory, peak.most());
    if (has_peers) {
      const auto compressed = folder.path() / "part.zst";
      const auto part = std::min<std::size_t>(raw, 1u << 30);
      (void)os::run_process({"sh", "-c",
                             "head -c " + std::to_string(part) + " '" + file.string() +
                                 "' | zstd -3 -T2 -q -o '" + compressed.string() + "'"},
                            {.limit = std::chrono::minutes(20)})
          .has_value();
      const auto start = now();
      (void)os::run_process({"sh", "-c", "zstdcat '" + compressed.string() + "' | rg -c " + found_patient},
                            {.limit = std::chrono::minutes(20)})
          .has_value();
      line("  peer: zstdcat | rg, scaled to all bytes",
           (now() - start) * 1000 * static_cast<double>(raw) / static_cast<double>(part), "ms", 0, false);
      std::filesystem::remove(compressed);
    }
    if (has_peers && testing::ClickHouseServers::installed())
      clickhouse(world, folder.path(), count, raw, found_patient);
    // Cold: the page cache lets go of the archive's files.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "archive")) {
      if (!entry.is_regular_file()) continue;
      const int descriptor = ::open(entry.path().c_str(), O_RDONLY);
      ::fdatasync(descriptor);
      ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
      ::close(descriptor);
    }
    line("everything about one patient, cold", ask(world, "patient:" + found_patient, true), "ms", 300,
         false);
  }
  std::printf("Memory and proof\n");
  line("memory while importing and searching (anonymous pages)", memory, "MB", 400, false);
  const auto start = now();
  const auto verified = stream.verify(
      [](const archive::Damage& damage) { std::printf("  damage: %s\n", damage.what.c_str()); });
  line("verification of the whole archive",
       verified ? static_cast<double>(verified->bytes) / (now() - start) / 1e6 : 0, "MB/s", 300, true);
  return 0;
}
