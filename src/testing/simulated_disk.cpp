#include "testing/simulated_disk.h"

#include <algorithm>

namespace mamori::testing {
namespace {

constexpr std::size_t kSector = 512;  // what a disk writes whole or not at all

// A change of a file that is not synced.
struct Change {
  std::uint64_t number = 0;
  bool truncates = false;
  std::uint64_t at = 0;  // or the new size
  std::string bytes;
};

struct Inode {
  std::string now;      // as it is read
  std::string durable;  // as it is at least after a crash
  std::vector<Change> changes;
  bool folder = false;
};

// A change of names that is not synced: done as a whole or not at all, in its order as far as the same name
// is concerned.
struct Naming {
  std::uint64_t number = 0;
  std::string folder;
  std::vector<std::pair<std::string, std::shared_ptr<Inode>>> sets;  // null: the name goes
};

void do_change(std::string& bytes, const Change& change) {
  if (change.truncates) {
    bytes.resize(change.at, '\0');
    return;
  }
  if (bytes.size() < change.at + change.bytes.size()) bytes.resize(change.at + change.bytes.size(), '\0');
  std::copy(change.bytes.begin(), change.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(change.at));
}

std::string parent_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

Error broken(const std::filesystem::path& file) {
  return {ErrorKind::unavailable, "os.disk.failed", {{"file", file.string()}, {"reason", "simulated"}}};
}
Error no_room(const std::filesystem::path& file) {
  return {ErrorKind::exhausted, "os.disk.full", {{"file", file.string()}, {"reason", "simulated"}}};
}
Error missing(const std::filesystem::path& file) {
  return {ErrorKind::not_found, "os.file.missing", {{"file", file.string()}, {"reason", "simulated"}}};
}

bool changes_something(Operation operation) {
  switch (operation) {
    case Operation::write:
    case Operation::truncate:
    case Operation::sync:
    case Operation::rename:
    case Operation::remove:
    case Operation::make_folder:
    case Operation::sync_folder:
    case Operation::open: return true;
    case Operation::read:
    case Operation::size:
    case Operation::list:
    case Operation::exists:
    case Operation::lock: return false;
  }
  return false;
}

}  // namespace

const char* name_of(Operation operation) {
  static constexpr const char* kNames[kOperations] = {
      "open",   "read",        "write",       "truncate", "sync",   "size", "rename",
      "remove", "make_folder", "sync_folder", "list",     "exists", "lock"};
  return kNames[static_cast<std::size_t>(operation)];
}

struct SimulatedDisk::State {
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Inode>> names, durable_names;
  std::vector<Naming> namings;
  std::set<std::string> locked;
  std::uint64_t next_number = 0;
  std::vector<Operation> trace;
  std::uint64_t fail_first = 0, fail_end = 0;
  std::optional<Failure> failure;
  std::optional<std::uint64_t> crash;
  bool crashed = false;
  Tell tell;

  // Counts the operation; how it is to fail, if it is.
  struct Verdict {
    bool dead = false;
    std::optional<Failure> failure;
  };
  Verdict begin(Operation operation, const std::filesystem::path& path) {
    const auto number = trace.size();
    const auto verdict = judge(operation);
    if (tell) tell(number, operation, path, verdict.dead || verdict.failure);
    return verdict;
  }
  Verdict judge(Operation operation) {
    const auto number = trace.size();
    trace.push_back(operation);
    if (crash && number >= *crash) crashed = true;
    if (crashed) return {true, {}};
    if (failure && number >= fail_first && number < fail_end &&
        (number == fail_first || changes_something(operation)))
      return {false, failure};
    return {};
  }
  Inode* find(const std::string& path) const {
    const auto found = names.find(path);
    return found == names.end() ? nullptr : found->second.get();
  }
  void name(const std::string& folder, std::vector<std::pair<std::string, std::shared_ptr<Inode>>> sets) {
    for (const auto& [path, inode] : sets) {
      if (inode)
        names[path] = inode;
      else
        names.erase(path);
    }
    namings.push_back({next_number++, folder, std::move(sets)});
  }
};

// An error that says nothing was done, or for the two late ones that it was.
#define MAMORI_SIMULATE(verdict, path)                                             \
  if ((verdict).dead) return broken(path);                                         \
  if ((verdict).failure == Failure::io || (verdict).failure == Failure::io_gone || \
      (verdict).failure == Failure::busy)                                          \
    return broken(path);                                                           \
  if ((verdict).failure == Failure::full) return no_room(path);

class SimulatedDisk::Handle final : public os::File {
 public:
  Handle(std::shared_ptr<State> state, std::shared_ptr<Inode> inode, std::filesystem::path path)
      : state_(std::move(state)), inode_(std::move(inode)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t at, char* to, std::size_t count) const override {
    const std::lock_guard lock(state_->mutex);
    const auto verdict = state_->begin(Operation::read, path_);
    if (verdict.dead || verdict.failure) return broken(path_);
    const auto& bytes = inode_->now;
    if (at >= bytes.size()) return std::size_t{0};
    const auto got = std::min<std::size_t>(count, bytes.size() - static_cast<std::size_t>(at));
    bytes.copy(to, got, static_cast<std::size_t>(at));
    return got;
  }

  Status write(std::uint64_t at, std::string_view bytes) override {
    const std::lock_guard lock(state_->mutex);
    const auto verdict = state_->begin(Operation::write, path_);
    if (verdict.dead) return broken(path_);
    if (verdict.failure == Failure::io || verdict.failure == Failure::io_gone ||
        verdict.failure == Failure::busy)
      return broken(path_);
    if (verdict.failure == Failure::full) bytes = bytes.substr(0, bytes.size() / 2);
    Change change{state_->next_number++, false, at, std::string(bytes)};
    do_change(inode_->now, change);
    inode_->changes.push_back(std::move(change));
    if (verdict.failure) return no_room(path_);
    return {};
  }

  Status truncate(std::uint64_t size) override {
    const std::lock_guard lock(state_->mutex);
    const auto verdict = state_->begin(Operation::truncate, path_);
    MAMORI_SIMULATE(verdict, path_)
    Change change{state_->next_number++, true, size, {}};
    do_change(inode_->now, change);
    inode_->changes.push_back(std::move(change));
    if (verdict.failure) return no_room(path_);
    return {};
  }

  Status sync() override {
    const std::lock_guard lock(state_->mutex);
    const auto verdict = state_->begin(Operation::sync, path_);
    if (verdict.dead) return broken(path_);
    if (verdict.failure == Failure::busy) return broken(path_);
    if (verdict.failure == Failure::io || verdict.failure == Failure::io_gone ||
        verdict.failure == Failure::full) {
      // Half of it got there; of the rest the kernel thinks no more.
      for (std::size_t i = 0; i < inode_->changes.size() / 2; ++i)
        do_change(inode_->durable, inode_->changes[i]);
      inode_->changes.clear();
      if (verdict.failure == Failure::io_gone) inode_->now = inode_->durable;
      return verdict.failure == Failure::full ? no_room(path_) : broken(path_);
    }
    inode_->durable = inode_->now;
    inode_->changes.clear();
    if (verdict.failure) return no_room(path_);
    return {};
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard lock(state_->mutex);
    const auto verdict = state_->begin(Operation::size, path_);
    if (verdict.dead || verdict.failure) return broken(path_);
    return std::uint64_t{inode_->now.size()};
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Inode> inode_;
  std::filesystem::path path_;
};

class SimulatedDisk::Held final : public os::Lock {
 public:
  Held(std::shared_ptr<State> state, std::string path) : state_(std::move(state)), path_(std::move(path)) {}
  ~Held() override {
    const std::lock_guard lock(state_->mutex);
    state_->locked.erase(path_);
  }

 private:
  std::shared_ptr<State> state_;
  std::string path_;
};

SimulatedDisk::SimulatedDisk() : state_(std::make_shared<State>()) {
  const auto root = std::make_shared<Inode>();
  root->folder = true;
  state_->names["/"] = state_->durable_names["/"] = root;
}
SimulatedDisk::~SimulatedDisk() = default;

std::uint64_t SimulatedDisk::operations() const {
  const std::lock_guard lock(state_->mutex);
  return state_->trace.size();
}
std::vector<Operation> SimulatedDisk::trace() const {
  const std::lock_guard lock(state_->mutex);
  return state_->trace;
}
void SimulatedDisk::fail_at(std::uint64_t at, Failure failure, std::uint64_t more) {
  const std::lock_guard lock(state_->mutex);
  state_->failure = failure;
  state_->fail_first = at;
  state_->fail_end = at + 1 + more;
}
void SimulatedDisk::crash_at(std::uint64_t at) {
  const std::lock_guard lock(state_->mutex);
  state_->crash = at;
}
bool SimulatedDisk::crashed() const {
  const std::lock_guard lock(state_->mutex);
  return state_->crashed;
}
void SimulatedDisk::tell(Tell tell) {
  const std::lock_guard lock(state_->mutex);
  state_->tell = std::move(tell);
}
void SimulatedDisk::heal() {
  const std::lock_guard lock(state_->mutex);
  state_->failure.reset();
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::process_died() const {
  auto out = std::make_unique<SimulatedDisk>();
  const std::lock_guard lock(state_->mutex);
  // What was open is not any more, but the files are the same.
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy = [&](const std::shared_ptr<Inode>& inode) -> std::shared_ptr<Inode> {
    if (!inode) return nullptr;
    auto& one = copies[inode.get()];
    if (!one) one = std::make_shared<Inode>(*inode);
    return one;
  };
  auto& to = *out->state_;
  to.names.clear();
  to.durable_names.clear();
  for (const auto& [path, inode] : state_->names) to.names[path] = copy(inode);
  for (const auto& [path, inode] : state_->durable_names) to.durable_names[path] = copy(inode);
  for (auto naming : state_->namings) {
    for (auto& [path, inode] : naming.sets) inode = copy(inode);
    to.namings.push_back(std::move(naming));
  }
  to.next_number = state_->next_number;
  return out;
}

std::size_t SimulatedDisk::unsynced() const {
  const std::lock_guard lock(state_->mutex);
  std::set<const Inode*> inodes;
  std::size_t count = state_->namings.size();
  const auto add = [&](const std::shared_ptr<Inode>& inode) {
    if (inode && inodes.insert(inode.get()).second) count += inode->changes.size();
  };
  for (const auto& [path, inode] : state_->names) add(inode);
  for (const auto& [path, inode] : state_->durable_names) add(inode);
  return count;
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::power_lost(const std::function<Fate(std::size_t)>& fate,
                                                         std::uint64_t seed) const {
  const auto before = process_died();
  auto out = std::make_unique<SimulatedDisk>();
  std::mt19937_64 random(seed);
  auto& from = *before->state_;
  auto& to = *out->state_;
  // All that was not synced, in the order in which it was done.
  std::set<std::uint64_t> numbers;
  std::vector<std::shared_ptr<Inode>>
      inodes;  // as their names come, not by address: chance falls on them in this order
  const auto look = [&](const std::shared_ptr<Inode>& inode) {
    if (!inode || std::find(inodes.begin(), inodes.end(), inode) != inodes.end()) return;
    inodes.push_back(inode);
    for (const auto& change : inode->changes) numbers.insert(change.number);
  };
  for (const auto& [path, inode] : from.names) look(inode);
  for (const auto& [path, inode] : from.durable_names) look(inode);
  for (const auto& naming : from.namings) {
    numbers.insert(naming.number);
    for (const auto& [path, inode] : naming.sets) look(inode);
  }
  std::map<std::uint64_t, Fate> fates;
  std::size_t index = 0;
  for (const auto number : numbers) fates[number] = fate(index++);

  to.names = from.durable_names;
  for (const auto& naming : from.namings) {
    if (fates[naming.number] == Fate::lost) continue;  // a name is never torn
    for (const auto& [path, inode] : naming.sets) {
      if (inode)
        to.names[path] = inode;
      else
        to.names.erase(path);
    }
  }
  for (const auto& inode : inodes) {
    auto bytes = inode->durable;
    for (const auto& change : inode->changes) {
      switch (fates[change.number]) {
        case Fate::kept: do_change(bytes, change); break;
        case Fate::lost: break;
        case Fate::torn:
        case Fate::without_last:
        case Fate::without_first: {
          if (change.truncates) break;
          // Sectors of it, each there or not; the file is as long as if all were.
          const auto how = fates[change.number];
          const auto there = [&](std::size_t at) {
            if (how == Fate::torn) return random() % 2 == 0;
            return how == Fate::without_last ? at + kSector < change.bytes.size() : at != 0;
          };
          if ((how != Fate::torn || random() % 2 == 0) && bytes.size() < change.at + change.bytes.size())
            bytes.resize(change.at + change.bytes.size(), '\0');
          for (std::size_t at = 0; at < change.bytes.size();) {
            const auto place = change.at + at;
            const auto count = std::min<std::size_t>(change.bytes.size() - at,
                                                     kSector - static_cast<std::size_t>(place % kSector));
            if (there(at)) do_change(bytes, {0, false, place, change.bytes.substr(at, count)});
            at += count;
          }
          break;
        }
      }
    }
    inode->now = inode->durable = std::move(bytes);
    inode->changes.clear();
  }
  // A name in a folder that was lost leads nowhere.
  for (bool again = true; again;) {
    again = false;
    for (auto at = to.names.begin(); at != to.names.end();) {
      if (at->first != "/" && !to.names.contains(parent_of(at->first))) {
        at = to.names.erase(at);
        again = true;
      } else {
        ++at;
      }
    }
  }
  to.durable_names = to.names;
  return out;
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::power_lost(std::uint64_t seed) const {
  std::mt19937_64 random(seed ^ 0x9E3779B97F4A7C15ull);
  // Some disks keep nearly all, some nearly nothing.
  const auto keeps = random() % 4, tears = random() % 3;
  return power_lost(
      [&](std::size_t) {
        if (random() % 3 < tears && random() % 2 == 0) return Fate::torn;
        return random() % 4 < keeps ? Fate::kept : random() % 2 == 0 ? Fate::lost : Fate::kept;
      },
      seed);
}

void SimulatedDisk::turn(const std::string& file, std::size_t at, char bits) {
  const std::lock_guard lock(state_->mutex);
  auto& inode = *state_->names.at(file);
  inode.now[at] = static_cast<char>(inode.now[at] ^ bits);
  inode.durable = inode.now;
}

std::map<std::string, std::string> SimulatedDisk::files() const {
  const std::lock_guard lock(state_->mutex);
  std::map<std::string, std::string> out;
  for (const auto& [path, inode] : state_->names)
    if (!inode->folder) out[path] = inode->now;
  return out;
}

Result<std::unique_ptr<os::File>> SimulatedDisk::open(const std::filesystem::path& path, os::Access access,
                                                      os::Visibility) {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::open, path);
  if (verdict.dead) return broken(path);
  if (verdict.failure && *verdict.failure != Failure::full_late) {
    if (*verdict.failure == Failure::full && access != os::Access::read) return no_room(path);
    return broken(path);
  }
  const auto name = path.string();
  const auto found = state_->names.find(name);
  std::shared_ptr<Inode> inode = found == state_->names.end() ? nullptr : found->second;
  if (inode && inode->folder) return broken(path);
  if (inode && access == os::Access::create)
    return Error{ErrorKind::conflict, "os.file.exists", {{"file", name}}};
  if (!inode) {
    const auto* folder = state_->find(parent_of(name));
    if (access == os::Access::read || !folder || !folder->folder) return missing(path);
    inode = std::make_shared<Inode>();
    state_->name(parent_of(name), {{name, inode}});
  }
  if (verdict.failure) return no_room(path);
  return std::unique_ptr<os::File>(std::make_unique<Handle>(state_, std::move(inode), path));
}

Status SimulatedDisk::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::rename, to);
  MAMORI_SIMULATE(verdict, to)
  const auto found = state_->names.find(from.string());
  if (found == state_->names.end()) return missing(from);
  const auto inode = found->second;
  state_->name(parent_of(to.string()), {{to.string(), inode}, {from.string(), nullptr}});
  if (verdict.failure) return no_room(to);
  return {};
}

Status SimulatedDisk::remove(const std::filesystem::path& file) {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::remove, file);
  MAMORI_SIMULATE(verdict, file)
  if (state_->find(file.string())) state_->name(parent_of(file.string()), {{file.string(), nullptr}});
  if (verdict.failure) return no_room(file);
  return {};
}

Status SimulatedDisk::make_folder(const std::filesystem::path& folder, os::Visibility) {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::make_folder, folder);
  MAMORI_SIMULATE(verdict, folder)
  if (const auto* there = state_->find(folder.string()))
    return there->folder ? Status() : Status(broken(folder));
  const auto* parent = state_->find(parent_of(folder.string()));
  if (!parent || !parent->folder) return missing(folder);
  auto inode = std::make_shared<Inode>();
  inode->folder = true;
  state_->name(parent_of(folder.string()), {{folder.string(), inode}});
  if (verdict.failure) return no_room(folder);
  return {};
}

Status SimulatedDisk::sync_folder(const std::filesystem::path& folder) {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::sync_folder, folder);
  if (verdict.dead) return broken(folder);
  if (verdict.failure == Failure::busy) return broken(folder);
  // Names that find no room are not forgotten: the next sync takes them.
  if (verdict.failure == Failure::full) return no_room(folder);
  const auto* there = state_->find(folder.string());
  if (!there || !there->folder) return missing(folder);
  const bool lost = verdict.failure && *verdict.failure != Failure::full_late;
  std::size_t done = 0;
  std::vector<Naming> rest;
  for (auto& naming : state_->namings) {
    if (naming.folder != folder.string()) {
      rest.push_back(std::move(naming));
      continue;
    }
    if (lost && done++ % 2 == 1) continue;  // the kernel thinks no more of it
    for (const auto& [path, inode] : naming.sets) {
      if (inode)
        state_->durable_names[path] = inode;
      else
        state_->durable_names.erase(path);
    }
  }
  state_->namings = std::move(rest);
  if (verdict.failure) return lost ? broken(folder) : no_room(folder);
  return {};
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::filesystem::path& folder) const {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::list, folder);
  if (verdict.dead || verdict.failure) return broken(folder);
  const auto* there = state_->find(folder.string());
  if (!there || !there->folder) return missing(folder);
  std::vector<std::string> out;
  for (const auto& [path, inode] : state_->names)
    if (path != "/" && parent_of(path) == folder.string())
      out.push_back(std::filesystem::path(path).filename().string() + (inode->folder ? "/" : ""));
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::uint64_t> SimulatedDisk::size_of(const std::filesystem::path& path) const {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::size, path);
  if (verdict.dead || verdict.failure) return broken(path);
  const auto* there = state_->find(path.string());
  if (!there || there->folder) return missing(path);
  return std::uint64_t{there->now.size()};
}

Result<bool> SimulatedDisk::exists(const std::filesystem::path& path) const {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::exists, path);
  if (verdict.dead || verdict.failure) return broken(path);
  return state_->find(path.string()) != nullptr;
}

os::Space SimulatedDisk::space(const std::filesystem::path&) const {
  return {std::uint64_t{1} << 40, std::uint64_t{1} << 41};
}

Result<std::unique_ptr<os::Lock>> SimulatedDisk::lock(const std::filesystem::path& file) {
  const std::lock_guard lock(state_->mutex);
  const auto verdict = state_->begin(Operation::lock, file);
  if (verdict.dead || verdict.failure) return broken(file);
  if (!state_->locked.insert(file.string()).second) return std::unique_ptr<os::Lock>();
  return std::unique_ptr<os::Lock>(std::make_unique<Held>(state_, file.string()));
}

}  // namespace mamori::testing
