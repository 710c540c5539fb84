// A facility with its logs, for the tests of this folder.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "archive/embedded/archive.h"
#include "logs/duties.h"
#include "logs/receiver.h"
#include "os/keys.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::logs {

inline const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

// As the machine's, but for what a test lets pass.
class ShiftedClock final : public Clock {
 public:
  Instant now() const override { return machine_.now() + shift_.load(); }
  void advance(Duration by) { shift_ = shift_.load() + by; }

 private:
  SystemClock machine_;
  std::atomic<Duration> shift_{Duration{}};
};

class Intake : public ::testing::Test {
 protected:
  void SetUp() override {
    crypto_ready();
    key_.emplace(*os::open_or_make_signing_key(folder_.path() / "key"));
    registers_ = *ledger::Registers::load(kSource / "data/registers");
    ledger_ = *ledger::Ledger::open(*database_, registers_);
    archive_ = *archive::EmbeddedArchive::open(folder_.path() / "archive", *key_, clock_);
    logs_ = *Logs::open(*ledger_, *archive_);
    facility_ = ledger_
                    ->create({"", "t", "test"}, **ledger_->find_register("facility"), "",
                             {{{"name", "試験病院"}, {"kind", "hospital"}}, ""})
                    ->id;
  }
  // What a server does by itself, once; again at the next call after a minute, an hour, a day.
  Status round() {
    clock_.advance(std::chrono::minutes(1));
    if (!jobs_ || jobs_of_ != logs_.get()) {
      jobs_.reset();
      jobs_ = *jobs::Jobs::open(*database_);
      add_duties(*jobs_, *logs_, *database_);
      jobs_of_ = logs_.get();
    }
    return jobs_->do_due("test");
  }
  archive::Stream& events() { return **archive_->stream({facility_, "events"}); }
  // Waits until so many events are there.
  bool wait_for(std::uint64_t count, int seconds = 20) {
    for (int i = 0; i < seconds * 50; ++i) {
      if (events().size() >= count) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
  std::vector<std::string> all() {
    std::vector<std::string> out;
    EXPECT_TRUE(events().each_match(archive::Query{}, from_millis(0),
                                    from_millis(std::numeric_limits<std::int64_t>::max()), 0,
                                    [&](proof::LeafIndex, const archive::Event& event) -> Result<bool> {
                                      out.emplace_back(event.raw);
                                      return true;
                                    }));
    return out;
  }
  // More than one segment of 64 blocks, made of small blocks, all received at `at`.
  static void fill(archive::Stream& stream, Instant at) {
    for (int i = 0; i < 70; ++i) {
      auto batch = std::make_shared<archive::Batch>();
      batch->events.resize(3);
      for (auto& event : batch->events) {
        event.raw = batch->arena.keep("event " + std::to_string(i));
        event.time = event.received = at;
      }
      ASSERT_TRUE(stream.append_block(batch));
    }
    ASSERT_TRUE(stream.settle());
  }
  static int connect_tcp(int port) {
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return file;
  }
  // A socket of datagrams from this address of the loopback to that port.
  static int udp_from(const char* address, int port) {
    const int file = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in from{}, to{};
    from.sin_family = to.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &from.sin_addr);
    EXPECT_EQ(::bind(file, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return file;
  }
  static void send_tcp(int port, std::string_view bytes) {
    const int file = connect_tcp(port);
    while (!bytes.empty()) {
      const auto sent = ::send(file, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::close(file);
  }

  TemporaryFolder folder_;
  ShiftedClock clock_;
  testing::FreshDatabase database_{store::Engine::sqlite, clock_};
  std::optional<SigningKey> key_;
  ledger::Registers registers_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<archive::Archive> archive_;
  std::unique_ptr<Logs> logs_;
  std::string facility_;
  std::unique_ptr<jobs::Jobs> jobs_;
  const Logs* jobs_of_ = nullptr;  // whose duties these are
};

}  // namespace mamori::logs
