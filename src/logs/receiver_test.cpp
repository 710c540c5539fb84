// What a receiver has read is kept: when it ends under load, when the archive is away, when the ledger is
// busy.
#include "logs/receiver.h"

#include <fstream>
#include <future>

#include "archive/engine.h"
#include "logs/intake_test.h"
#include "testing/clickhouse.h"
#include "testing/limited_disk.h"

namespace mamori::logs {
namespace {

using namespace std::chrono_literals;

// The test's time limit stands far above what is promised (five seconds), so that a busy machine does not
// decide.
void must_end(const std::function<void()>& work, const char* what) {
  std::packaged_task<void()> task(work);
  auto done = task.get_future();
  std::thread runs(std::move(task));
  if (done.wait_for(50s) != std::future_status::ready) {
    std::fprintf(stderr, "%s: does not end\n", what);
    std::_Exit(1);  // whoever hangs cannot be joined
  }
  runs.join();
}

// A disk of a given size.
class MeasuredDisk final : public testing::LimitedDisk {
 public:
  explicit MeasuredDisk(std::filesystem::path folder) : folder_(std::move(folder)) {
    takes = [this](std::size_t count) { return used() + count <= size; };
  }
  std::atomic<std::uint64_t> size{std::uint64_t{1} << 40};
  std::uint64_t used() const {
    std::uint64_t sum = 0;
    std::error_code failure;
    for (auto entry = std::filesystem::recursive_directory_iterator(folder_, failure);
         entry != std::filesystem::recursive_directory_iterator(); entry.increment(failure)) {
      std::error_code gone;
      if (entry->is_regular_file(gone)) sum += entry->file_size(gone);
    }
    return sum;
  }

 private:
  std::filesystem::path folder_;
};

class Receiving : public Intake {
 protected:
  void TearDown() override { close_archive(); }  // before its disk
  static void send_one(int file, const std::string& who, std::size_t number) {
    const auto text = line(who, number);
    EXPECT_EQ(::send(file, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()))
        << number;
  }
  static std::string line(const std::string& who, std::size_t number) {
    return "<34>1 - " + who + " app - - - number " + std::to_string(number) + " of many";
  }
  // The numbers that are kept of one sender, in the order of the archive. `halves`: how many more messages
  // may be kept of which only a part came.
  std::vector<std::size_t> kept_of(const std::string& who, std::size_t halves = 0) {
    std::vector<std::size_t> out;
    const auto start = "<34>1 - " + who + " app - - - number ", end = std::string(" of many");
    for (const auto& raw : all())
      if (raw.starts_with(start) && !raw.ends_with(end) && halves > 0) {
        --halves;
      } else if (raw.starts_with(start)) {
        EXPECT_TRUE(raw.ends_with(end)) << "not whole: " << raw;
        out.push_back(std::stoull(raw.substr(start.size())));
      }
    return out;
  }
  static std::size_t holes(const std::vector<std::size_t>& kept) {
    const std::set<std::size_t> distinct(kept.begin(), kept.end());
    return distinct.empty() ? 0 : *distinct.rbegin() + 1 - distinct.size();
  }
  std::uint64_t figure(const std::string& name) {
    const auto text = logs_->metrics();
    const auto at = text.find("\n" + name + " ");
    return at == text.npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 2, nullptr, 10);
  }
  void close_archive() {
    logs_.reset();
    archive_.reset();
  }
  void use(std::unique_ptr<archive::Archive> archive) {
    archive_ = std::move(archive);
    logs_ = *Logs::open(*ledger_, *archive_);
  }

  testing::LimitedDisk full_disk_;
  MeasuredDisk measured_disk_{folder_.path() / "archive"};
  void use_files(os::Disk& disk) {
    close_archive();  // one process, one writer
    use(*archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_, disk));
  }
};

TEST_F(Receiving, EndsUnderAFloodOfDatagramsAndKeepsWhatItRead) {
  std::size_t next = 0;
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    auto receiver = *Receiver::open({.udp_port = 0}, *logs_);
    std::atomic<bool> stop{false};
    const int file = udp_from("127.0.0.1", receiver->udp_port());
    std::thread flood([&] {
      for (; !stop; ++next) {
        const auto text = line("h", next);
        (void)::send(file, text.data(), text.size(), 0);  // refused where nobody listens any more
        std::this_thread::sleep_for(200us);
      }
    });
    const auto before = events().size();
    EXPECT_TRUE(wait_for(before + 200));
    must_end([&] { receiver.reset(); }, "the receiver");
    stop = true;
    flood.join();
    ::close(file);
    EXPECT_EQ(figure("mamori_log_dropped_total"), 0u);
  }
  const auto kept = kept_of("h");
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  EXPECT_EQ(std::set(kept.begin(), kept.end()).size(), kept.size()) << "each once";
}

TEST_F(Receiving, KeepsTheDatagramsThatLieInItsSocketWhenItEnds) {
  for (std::size_t round = 0; round < 5; ++round) {
    auto receiver = *Receiver::open({.udp_port = 0}, *logs_);
    const int file = udp_from("127.0.0.1", receiver->udp_port());
    for (std::size_t i = 0; i < 100; ++i) send_one(file, "h", round * 100 + i);
    must_end([&] { receiver.reset(); }, "the receiver");
    ::close(file);
  }
  const auto kept = kept_of("h");
  EXPECT_EQ(kept.size(), 500u);
  EXPECT_EQ(holes(kept), 0u);
}

// Counted frames, cut by the writes at any place. What of each sender is kept has no hole and nothing that is
// not whole.
TEST_F(Receiving, EndsWhileTcpSendersAreInTheMiddleOfAFrame) {
  auto receiver = *Receiver::open({.tcp_port = 0}, *logs_);
  std::vector<std::thread> senders;
  for (int n = 0; n < 4; ++n)
    senders.emplace_back([port = receiver->tcp_port(), who = "s" + std::to_string(n), n] {
      const int file = connect_tcp(port);
      std::string pending;
      for (std::size_t i = 0;; ++i) {
        const auto text = line(who, i);
        pending += std::to_string(text.size()) + " " + text;
        const auto some = pending.size() - i % static_cast<std::size_t>(17 + n);
        if (::send(file, pending.data(), some, MSG_NOSIGNAL) != static_cast<ssize_t>(some)) break;
        pending.erase(0, some);
        if (i % 50 == 0) std::this_thread::sleep_for(1ms);
      }
      ::close(file);
    });
  const int idle = connect_tcp(receiver->tcp_port());
  EXPECT_TRUE(wait_for(2000));
  must_end([&] { receiver.reset(); }, "the receiver");
  for (auto& sender : senders) sender.join();
  ::close(idle);
  std::size_t total = 0;
  for (int n = 0; n < 4; ++n) {
    // What had come of the message that was on its way is kept as it is.
    const auto kept = kept_of("s" + std::to_string(n), 1);
    total += kept.size();
    EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    EXPECT_EQ(holes(kept), 0u);
  }
  EXPECT_GE(total, events().size() - 4);
}

TEST_F(Receiving, WaitsForAFullDiskAndLosesNothing) {
  auto& disk = full_disk_;
  use_files(disk);
  {
    const auto receiver = *Receiver::open({.udp_port = 0, .tcp_port = 0}, *logs_);
    const int file = connect_tcp(receiver->tcp_port()),
              datagrams = udp_from("127.0.0.2", receiver->udp_port());
    const auto both = [&](std::size_t from, std::size_t to) {
      for (auto i = from; i < to; ++i) {
        const auto text = line("tcp", i) + "\n";
        ASSERT_EQ(::send(file, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
        send_one(datagrams, "udp", i);
        if (i % 20 == 0) std::this_thread::sleep_for(1ms);
      }
    };
    both(0, 100);
    ASSERT_TRUE(wait_for(200));
    disk.room = 0;
    both(100, 400);
    std::this_thread::sleep_for(1s);
    EXPECT_EQ(events().size(), 200u);
    disk.room = testing::LimitedDisk::kPlenty;
    both(400, 500);
    EXPECT_TRUE(wait_for(1000)) << events().size();
    ::close(file);
    ::close(datagrams);
  }
  EXPECT_EQ(holes(kept_of("tcp")), 0u);
  EXPECT_EQ(holes(kept_of("udp")), 0u);
  EXPECT_EQ(events().size(), 1000u);
}

TEST_F(Receiving, EndsWhileTheDiskIsFullAndSaysHowMuchIsLost) {
  auto& disk = full_disk_;
  use_files(disk);
  auto receiver = *Receiver::open({.udp_port = 0, .tcp_port = 0, .patience = 300ms}, *logs_);
  const int file = connect_tcp(receiver->tcp_port()), datagrams = udp_from("127.0.0.2", receiver->udp_port());
  send_one(datagrams, "udp", 0);
  ASSERT_TRUE(wait_for(1));
  disk.room = 0;
  for (std::size_t i = 0; i < 50; ++i) {
    const auto text = line("tcp", i) + "\n";
    ASSERT_EQ(::send(file, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    send_one(datagrams, "udp", i + 1);
  }
  for (int i = 0; i < 500 && figure("mamori_log_waiting_events") < 50; ++i) std::this_thread::sleep_for(20ms);
  const auto start = std::chrono::steady_clock::now();
  must_end([&] { receiver.reset(); }, "the receiver");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
  EXPECT_GE(figure("mamori_log_dropped_total"), 50u);
  EXPECT_EQ(figure("mamori_log_waiting_events"), 0u);
  EXPECT_EQ(events().size(), 1u);
  ::close(file);
  ::close(datagrams);
}

TEST_F(Receiving, DatagramsThatFindNoRoomAreCountedAndTheOthersKept) {
  auto& disk = full_disk_;
  use_files(disk);
  constexpr std::size_t kSent = 3000;
  auto receiver = *Receiver::open({.udp_port = 0, .datagram_bytes = 64u << 10}, *logs_);
  const int loud = udp_from("127.0.0.1", receiver->udp_port()),
            calm = udp_from("127.0.0.2", receiver->udp_port());
  send_one(loud, "loud", 0);
  send_one(calm, "calm", 0);
  ASSERT_TRUE(wait_for(2));
  disk.room = 0;
  for (std::size_t i = 1; i < kSent; ++i) {
    send_one(loud, "loud", i);
    if (i % 100 == 0) send_one(calm, "calm", i / 100);
    if (i % 20 == 0) std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(200ms);
  disk.room = testing::LimitedDisk::kPlenty;
  const auto sent = kSent + 1 + (kSent - 1) / 100;
  for (int i = 0;
       i < 1000 &&
       events().size() + figure("mamori_log_dropped_total") + figure("mamori_log_overflow_total") < sent;
       ++i)
    std::this_thread::sleep_for(20ms);
  EXPECT_EQ(events().size() + figure("mamori_log_dropped_total") + figure("mamori_log_overflow_total"), sent);
  EXPECT_GT(figure("mamori_log_dropped_total"), 0u);
  EXPECT_EQ(kept_of("calm").size(), 1 + (kSent - 1) / 100) << "one alone cannot take all the room";
  ::close(loud);
  ::close(calm);
}

// The real one, killed and started again while senders send.
TEST_F(Receiving, ClickHouseAwayForAWhileLosesNoEvent) {
  ASSERT_TRUE(testing::ClickHouseServers::installed()) << "Debian package clickhouse-server";
  testing::ClickHouseServers servers(1);
  close_archive();
  use(*archive::open_archive(servers.url(), folder_.path() / "cluster", *key_, clock_));
  const auto receiver = *Receiver::open({.udp_port = 0, .tcp_port = 0}, *logs_);
  const int file = connect_tcp(receiver->tcp_port()), datagrams = udp_from("127.0.0.2", receiver->udp_port());
  const auto both = [&](std::size_t from, std::size_t to) {
    for (auto i = from; i < to; ++i) {
      const auto text = line("tcp", i) + "\n";
      ASSERT_EQ(::send(file, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()))
          << "closed at " << i;
      send_one(datagrams, "udp", i);
      if (i % 20 == 0) std::this_thread::sleep_for(2ms);
    }
  };
  both(0, 200);
  ASSERT_TRUE(wait_for(400, 60));
  servers.stop(0, SIGKILL);
  both(200, 600);
  std::this_thread::sleep_for(1500ms);
  servers.start(0);
  both(600, 700);
  EXPECT_TRUE(wait_for(1400, 120)) << events().size();
  for (const auto* who : {"tcp", "udp"}) {
    const auto kept = kept_of(who);
    EXPECT_EQ(holes(kept), 0u) << who;
    EXPECT_EQ(std::set(kept.begin(), kept.end()).size(), 700u) << who;
  }
  EXPECT_EQ(figure("mamori_log_dropped_total"), 0u);
  ::close(file);
  ::close(datagrams);
}

// SQLite has one writer: while a long import has it, known senders are kept, and unknown ones wait, in their
// order.
TEST_F(Receiving, ABusyLedgerStopsNobodyWhoIsKnown) {
  ASSERT_TRUE(logs_->source_of({.address = "127.0.0.1"}));
  const auto receiver = *Receiver::open({.udp_port = 0}, *logs_);
  const int known = udp_from("127.0.0.1", receiver->udp_port()),
            fresh = udp_from("127.0.0.2", receiver->udp_port());
  {
    auto import = *database_->begin();
    for (std::size_t i = 0; i < 50; ++i) {
      send_one(fresh, "fresh", i);
      send_one(known, "known", i);
      std::this_thread::sleep_for(2ms);
    }
    EXPECT_TRUE(wait_for(50)) << events().size();
    EXPECT_EQ(kept_of("known").size(), 50u);
    EXPECT_EQ(kept_of("fresh").size(), 0u);
    ASSERT_TRUE(import.commit());
  }
  EXPECT_TRUE(wait_for(100)) << events().size();
  const auto kept = kept_of("fresh");
  EXPECT_EQ(kept.size(), 50u);
  EXPECT_EQ(holes(kept), 0u);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  EXPECT_TRUE(logs_->source_called(facility_, "127.0.0.2"));
  ::close(known);
  ::close(fresh);
}

TEST_F(Receiving, WhoCouldNotBeTakenInBeforeTheEndIsKeptByItsAddress) {
  auto receiver = *Receiver::open({.udp_port = 0, .patience = 300ms}, *logs_);
  const int fresh = udp_from("127.0.0.2", receiver->udp_port());
  std::this_thread::sleep_for(1500ms);  // the ledger was seen once
  auto import = std::make_unique<store::Transaction>(*database_->begin());
  for (std::size_t i = 0; i < 50; ++i)
    send_one(fresh, "fresh", i);  // its own name for itself is not what counts
  std::thread later([&] {
    std::this_thread::sleep_for(3s);
    import.reset();
  });
  must_end([&] { receiver.reset(); }, "the receiver");
  later.join();
  EXPECT_EQ(kept_of("fresh").size(), 50u);
  const auto first = *events().event(0);
  EXPECT_EQ(first.event[archive::Field::host], "127.0.0.2");
  ::close(fresh);
}

TEST_F(Receiving, MadeUpAddressesTakeNoRoomFromRealDevices) {
  const store::Actor actor{"", "t", "test"};
  ASSERT_TRUE(ledger_->create(actor, **ledger_->find_register("asset"), facility_,
                              {{{"kind", "pc"}, {"ip", "192.0.2.77"}}, ""}));
  const auto address = [](std::size_t i) {
    return "10." + std::to_string(i / 250) + ".0." + std::to_string(i % 250 + 1);
  };
  std::set<std::string> sources;
  for (std::size_t i = 0; i < 600; ++i) {
    const auto source = logs_->source_of({.address = address(i)});
    ASSERT_TRUE(source) << i << " " << describe(source.error());
    sources.insert(source->id);
  }
  EXPECT_LE(sources.size(), Senders::kMostUnknown + 1);
  ASSERT_TRUE(logs_->find_sender({.address = "192.0.2.77"}));
  ASSERT_TRUE(logs_->admit_senders());
  const auto device = logs_->source_of({.address = "192.0.2.77"});
  ASSERT_TRUE(device) << describe(device.error());
  EXPECT_EQ(device->name, "192.0.2.77") << "a device of the ledger is taken in whatever comes beside it";
  // Everyone else's events stand under the collecting source, with where they came from.
  const auto other = *logs_->source_of({.address = "198.51.100.9"});
  EXPECT_TRUE(sources.contains(other.id));
  const std::vector<formats::Found> found = {{"<34>1 - claimed app - - - from a new one", 1}};
  ASSERT_TRUE(logs_->accept(other, "198.51.100.9", {found, {}}));
  const auto first = *events().event(0);
  EXPECT_EQ(first.event[archive::Field::host], "198.51.100.9");
  // A day later the made-up ones have been silent, and a new device finds room again.
  for (std::size_t i = 0; i < 260; ++i)
    ASSERT_TRUE(ledger_->create(actor, **ledger_->find_register("log_source"), facility_,
                                {{{"name", "more " + std::to_string(i)}, {"state", "unknown"}}, ""}));
  {
    auto transaction = *database_->begin();
    ASSERT_TRUE(transaction->execute("UPDATE r_log_source SET created_at = created_at - 90000000", {}));
    ASSERT_TRUE(transaction.commit());
  }
  std::string name;
  for (int i = 0; i < 300 && name != "198.51.100.9"; ++i) {
    std::this_thread::sleep_for(100ms);
    ASSERT_TRUE(logs_->admit_senders());
    name = logs_->source_of({.address = "198.51.100.9"})->name;
  }
  EXPECT_EQ(name, "198.51.100.9");
}

TEST_F(Receiving, AFullDiskTakesNewEventsWhereTheOldestMayGo) {
  auto& disk = measured_disk_;
  use_files(disk);
  const auto* reg = *ledger_->find_register("log_source");
  const store::Actor actor{"", "t", "test"};
  const auto line_of = *ledger_->create(actor, **ledger_->find_register("log_stream"), facility_,
                                        {{{"stream", "network"}, {"when_full", "refuse"}}, ""});
  ASSERT_TRUE(ledger_->create(actor, *reg, facility_,
                              {{{"name", "router"}, {"state", "accepted"}, {"stream", "network"}}, ""}));
  const auto source = *logs_->source_called(facility_, "router");
  auto* stream = *archive_->stream({facility_, "network"});
  for (int i = 0; i < 140; ++i) {  // more than one segment of 64 blocks
    auto batch = std::make_shared<archive::Batch>();
    batch->events.resize(3);
    for (auto& event : batch->events) {
      event.raw = batch->arena.keep("old " + std::to_string(i) + random_token(200));
      event.time = event.received = clock_.now();
    }
    ASSERT_TRUE(stream->append_block(batch));
  }
  ASSERT_TRUE(stream->settle());
  disk.size = disk.used();
  const std::vector<formats::Found> found = {{"<34>the newest", 1}};
  EXPECT_EQ(logs_->accept(source, "192.0.2.9", {found, {}}).error().code, "os.disk.full")
      << "refuse is what the register says";
  EXPECT_EQ(stream->first(), 0u);
  ASSERT_TRUE(ledger_->update(actor, **ledger_->find_register("log_stream"), store::Scope::door(facility_),
                              line_of.id, 1, {{{"when_full", "oldest"}}, ""}));
  const auto kept = logs_->accept(source, "192.0.2.9", {found, {}});
  ASSERT_TRUE(kept) << describe(kept.error());
  EXPECT_GT(stream->first(), 0u);
  EXPECT_EQ(stream->event(stream->size() - 1)->event.raw, "<34>the newest");
  disk.size = std::uint64_t{1} << 40;
  ASSERT_TRUE(round());
  const auto lease = *database_->read();
  EXPECT_EQ(
      store::as_integer(
          lease->query("SELECT COUNT(*) FROM journal WHERE action = 'retention' AND reason = 'disk full'")
              ->rows[0][0]),
      1);
}

TEST_F(Receiving, OneStreamThatDoesNotOpenStopsNoOther) {
  const auto source = *logs_->source_of({.address = "192.0.2.9"});
  const std::vector<formats::Found> found = {{"<34>one", 1}};
  ASSERT_TRUE(logs_->accept(source, "192.0.2.9", {found, {}}));
  const auto folder = folder_.path() / "archive" / facility_ / "access";  // before "events" in every list
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "format") << "mamori archive stream 99\n";
  const auto done = round();
  ASSERT_FALSE(done);
  EXPECT_NE(describe(done.error()).find("access"), std::string::npos) << describe(done.error());
  EXPECT_FALSE(events().heads().empty());
  const auto facts = [&](const char* reg) {
    return ledger_
        ->list(**ledger_->find_register(reg), {.scope = store::Scope::door(facility_), .sort = "label"})
        ->items.size();
  };
  EXPECT_EQ(facts("observed_log"), 1u);
  EXPECT_EQ(facts("observed_log_space"), 1u);
  for (int i = 0; i < 3; ++i) (void)round().has_value();
  EXPECT_EQ(facts("observed_archive"), 2u) << "events and journal are verified, one a round";
  const auto states = logs_->keeping().state(facility_);
  ASSERT_TRUE(states) << describe(states.error());
  const auto broken = std::find_if(states->begin(), states->end(),
                                   [](const auto& state) { return state.name.name == "access"; });
  ASSERT_NE(broken, states->end());
  ASSERT_EQ(broken->damage.size(), 1u);
  EXPECT_EQ(broken->damage[0].what, "archive.stream.newer");
}

}  // namespace
}  // namespace mamori::logs
