// Blobs, keys and whole files under every fault.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/crypto.h"
#include "os/file.h"
#include "os/keys.h"
#include "runs.h"

namespace mamori::fault {
namespace {

constexpr const char* kHome = "/data";
constexpr const char* kSettings = "/data/settings/mail";
constexpr const char* kKeys[] = {"/data/keys/signing.key", "/data/keys/other.key"};
constexpr std::size_t kLimit = 1 << 20;

class FilesScenario final : public Scenario {
 public:
  explicit FilesScenario(std::uint64_t seed) : random_(seed) {}

  void run(SimulatedDisk& disk) override {
    disk_ = &disk;
    of_process_.emplace("/data/blobs", disk);
    (void)start(disk).has_value();
    for (int step = 0; step < 16; ++step) {
      const auto what = random_() % 10, which = random_();
      if (what < 4)
        put(which % 6);
      else if (what < 7)
        write(which);
      else if (what < 9)
        use_key(which % 2);
      else
        (void)start(disk).has_value();
    }
  }

  std::string go_on(SimulatedDisk& disk) override {
    why_.clear();
    note(start(disk));
    for (std::uint64_t i = 0; i < 6; ++i) put(i);
    write(7);
    use_key(0);
    use_key(1);
    if (!why_.empty()) return "does not go on though nothing fails any more: " + why_;
    return look(disk);
  }

  void close() override {}

  std::string check(SimulatedDisk& disk, bool again) override {
    if (!again) checked_.clear();
    if (const auto started = start(disk); !started) return "does not start: " + describe(started.error());
    for (const auto& [name, bytes] : disk.files())
      if (name.find(".new-") != name.npos) return "left for ever: " + name;
    if (auto wrong = look(disk); !wrong.empty()) return wrong;
    for (std::size_t which = 0; which < 2; ++which) {
      const auto key = os::open_or_make_signing_key(kKeys[which], disk);
      if (!key) return "no key: " + describe(key.error());
      auto& before = checked_[which];
      if (!before.empty() && before != key->public_key()) return "another key than the start before had";
      before = key->public_key();
    }
    const os::Blobs blobs("/data/blobs", disk);
    for (std::size_t i = 0; i < 6; ++i)
      if (const auto put = blobs.put(content(i)); !put) return "takes no blob: " + describe(put.error());
    return {};
  }

 private:
  static std::string content(std::uint64_t which) {
    return std::string(200 + 700 * which, static_cast<char>('a' + which));
  }

  static Status start(SimulatedDisk& disk) {
    for (const auto* folder : {"/data/keys", "/data/settings", "/data/blobs"})
      MAMORI_TRY(os::make_directory(folder, os::Visibility::owner_only, disk));
    return os::remove_unfinished(kHome, disk);
  }

  void note(const Status& status) {
    if (why_.empty() && !status) why_ = describe(status.error());
  }

  void put(std::uint64_t which) {
    const auto hash = of_process_->put(content(which));
    if (hash && !disk_->crashed()) blobs_[*hash] = content(which);
    note(hash ? Status() : Status(hash.error()));
  }

  void write(std::uint64_t which) {
    const auto bytes = fmt::format("setting {} {}", ++settings_, std::string(which % 1500, 's'));
    const auto written = os::write_file(kSettings, bytes, os::Visibility::owner_only, *disk_);
    note(written);
    if (disk_->crashed() || !written) {
      maybe_.insert(bytes);
      return;
    }
    maybe_ = {bytes};
  }

  void use_key(std::size_t which) {
    const auto key = os::open_or_make_signing_key(kKeys[which], *disk_);
    note(key ? Status() : Status(key.error()));
    if (!key || disk_->crashed()) return;
    if (keys_[which].empty())
      keys_[which] = key->public_key();
    else if (keys_[which] != key->public_key())
      replaced_ = true;
  }

  std::string look(SimulatedDisk& disk) const {
    if (replaced_) return "a key that was used was replaced";
    for (const auto& [hash, bytes] : blobs_) {
      const auto read = os::Blobs("/data/blobs", disk).get(hash);
      if (!read) return "a blob that was acknowledged is gone: " + describe(read.error());
      if (*read != bytes) return "a blob is another";
    }
    for (const auto& [which, used] : keys_) {
      const auto key = os::open_or_make_signing_key(kKeys[which], disk);
      if (!key || key->public_key() != used) return "a key that was used was replaced";
    }
    const auto settings = os::read_file(kSettings, kLimit, disk);
    if (!settings && settings.error().kind != ErrorKind::not_found)
      return "the settings cannot be read: " + describe(settings.error());
    if (settings ? !maybe_.contains(*settings) : !maybe_.contains(""))
      return "the settings are neither the old nor the new ones";
    return {};
  }

  std::mt19937_64 random_;
  SimulatedDisk* disk_ = nullptr;
  std::optional<os::Blobs> of_process_;
  std::string why_;
  std::map<std::string, std::string> blobs_;
  std::map<std::size_t, std::string> keys_, checked_;
  bool replaced_ = false;
  int settings_ = 0;
  std::set<std::string> maybe_ = {""};  // what the settings may be; "": none
};

TEST(Faults, BlobsKeysAndFilesAreWholeAndStay) {
  crypto_ready();
  const auto count = run_all(
      "files", [](std::uint64_t seed) { return std::make_unique<FilesScenario>(seed); }, 6, 4);
  if (std::getenv("MAMORI_FAULT") || std::getenv("MAMORI_FAULT_SEEDS")) return;
  EXPECT_GE(count.runs, 3'000u);
}

}  // namespace
}  // namespace mamori::fault
