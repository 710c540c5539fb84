// How keeping scales: appends beside a long proof, ten thousand streams, opening after a crash. Each figure
// with its mark, and beside what the disk or the kernel does alone in the same run.
//   keeping_marks [SEGMENTS]
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

#include "archive/embedded/archive.h"
#include "archive/embedded/stream.h"
#include "base/file.h"
#include "os/keys.h"

namespace {

using namespace mamori;
using namespace mamori::archive;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void mark(const char* what, double value, const char* unit, double most, const std::string& beside) {
  std::printf("%-58s %10.1f %-3s mark %7.1f  %-6s %s\n", what, value, unit, most,
              value <= most ? "met" : "MISSED", beside.c_str());
  std::fflush(stdout);
}

double resident_megabytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  in >> all >> resident;
  return static_cast<double>(resident) * 4096 / 1e6;
}

Event make(std::uint64_t number, Arena& arena) {
  Event event;
  event.raw =
      arena.keep(fmt::format("<38>Nov 26 10:00:{:02} host{} sshd[{}]: Accepted publickey for user{} from "
                             "192.0.2.{} port {} id {:016x}",
                             number % 60, number % 40, 100 + number % 900, number % 300, number % 250,
                             1024 + number % 60000, number * 0x9E3779B97F4A7C15ull));
  event.time = event.received = from_millis(1'780'000'000'000 + static_cast<std::int64_t>(number));
  event[Field::source] = "LS-0001";
  event[Field::user] = arena.keep("user" + std::to_string(number % 300));
  return event;
}

bool import_blocks(EmbeddedStream& stream, std::uint64_t& next, std::size_t blocks, std::size_t events) {
  for (std::size_t b = 0; b < blocks; ++b) {
    auto batch = std::make_shared<Batch>();
    for (std::size_t i = 0; i < events; ++i) batch->events.push_back(make(next++, batch->arena));
    if (!stream.append_block(batch)) return false;
  }
  return stream.settle().has_value();
}

// The longest of some appends of one event each, milliseconds.
double longest_append(EmbeddedStream& stream, std::uint64_t& next, const std::function<bool()>& goes_on) {
  double longest = 0;
  while (goes_on()) {
    Arena arena;
    const std::vector<Event> events = {make(next++, arena)};
    const auto start = now();
    if (!stream.append(events)) return 1e9;
    longest = std::max(longest, (now() - start) * 1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return longest;
}

double longest_sync(const std::filesystem::path& folder) {
  const int file = ::open((folder / "sync").c_str(), O_RDWR | O_CREAT, 0600);
  const std::string bytes(300, 'x');
  double longest = 0;
  for (int i = 0; i < 500; ++i) {
    const auto start = now();
    if (::write(file, bytes.data(), bytes.size()) < 0 || ::fdatasync(file) != 0) return -1;
    longest = std::max(longest, (now() - start) * 1000);
  }
  ::close(file);
  return longest;
}

void beside_a_proof(const std::filesystem::path& folder, const SigningKey& key, const Clock& clock) {
  Workers workers{2};
  const StreamOptions options{.events = 64};
  auto stream =
      *EmbeddedStream::open(folder / "proof", "mamori/b/e", key, clock, os::Disk::real(), workers, options);
  std::uint64_t next = 0;
  if (!import_blocks(*stream, next, 10'000, 64)) return;
  int quiet = 0;
  const auto alone = longest_append(*stream, next, [&] { return quiet++ < 500; });
  std::vector<LeafIndex> indices;
  for (LeafIndex i = 0; i < 10'000; ++i) indices.push_back(i * 64 + i % 64);
  std::atomic<bool> done{false};
  double took = 0;
  std::thread prover([&] {
    const auto start = now();
    (void)stream->inclusion_of_all(indices, 640'000).has_value();
    took = now() - start;
    done = true;
  });
  const auto longest = longest_append(*stream, next, [&] { return !done; });
  prover.join();
  mark("longest append beside a proof over 10,000 blocks", longest, "ms", 50,
       fmt::format("alone {:.1f} ms; bare write and fdatasync at most {:.1f} ms; the proof took {:.2f} s",
                   alone, longest_sync(folder), took));
}

void many_streams(const std::filesystem::path& folder, const SigningKey& key, const Clock& clock) {
  const auto before = resident_megabytes();
  auto archive = *EmbeddedArchive::open(folder / "many", key, clock);
  const auto start = now();
  for (int i = 0; i < 10'000; ++i) {
    Arena arena;
    const std::vector<Event> events = {make(static_cast<std::uint64_t>(i), arena)};
    auto stream = archive->stream({fmt::format("f{:03}", i / 100), fmt::format("s{:03}", i % 100)});
    if (!stream || !(*stream)->append(events)) {
      std::printf("a stream could not be opened\n");
      return;
    }
  }
  mark("10,000 streams open, each with an event: memory", resident_megabytes() - before, "MB", 300,
       fmt::format("made in {:.1f} s; {} descriptors of {} allowed", now() - start, os::descriptors(),
                   os::file_limit()));
}

void after_a_crash(const std::filesystem::path& folder, const SigningKey& key, const Clock& clock,
                   std::size_t segments) {
  const auto where = folder / "crash";
  const StreamOptions options{.events = 256};
  // Another process, so that it can end in the middle.
  const auto child = ::fork();
  if (child == 0) {
    Workers workers{2};
    auto stream = *EmbeddedStream::open(where, "mamori/b/e", key, clock, os::Disk::real(), workers, options);
    std::uint64_t next = 0;
    if (!import_blocks(*stream, next, segments * 64 + 10, 256)) ::_exit(1);
    for (int i = 0; i < 40; ++i) {
      Arena arena;
      std::vector<Event> events;
      for (int k = 0; k < 5; ++k) events.push_back(make(next++, arena));
      if (!stream->append(events)) ::_exit(1);
    }
    ::_exit(0);  // nothing is closed
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) return;
  std::size_t bytes = 0;
  const auto raw = now();
  for (const auto& entry : std::filesystem::directory_iterator(where))
    if (entry.path().extension() == ".headers") bytes += read_file(entry.path(), 1 << 26)->size();
  const auto reading = now() - raw;
  Workers workers{2};
  const auto start = now();
  auto stream = EmbeddedStream::open(where, "mamori/b/e", key, clock, os::Disk::real(), workers, options);
  const auto took = now() - start;
  if (!stream || !(*stream)->damage().empty()) {
    std::printf("the stream cannot be opened, or is damaged\n");
    return;
  }
  mark(fmt::format("opening {} segments after a crash", segments).c_str(), took * 1000, "ms", 1000,
       fmt::format("{} events; reading the same {:.0f} MB of headers {:.0f} ms", (*stream)->size(),
                   static_cast<double>(bytes) / 1e6, reading * 1000));
}

}  // namespace

int main(int argc, char** argv) {
  crypto_ready();
  os::raise_limits();
  const TemporaryFolder folder;
  const SystemClock clock;
  const auto key = *os::open_or_make_signing_key(folder.path() / "key");
  beside_a_proof(folder.path(), key, clock);
  many_streams(folder.path(), key, clock);
  after_a_crash(folder.path(), key, clock, argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000);
}
