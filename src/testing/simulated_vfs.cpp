#include "testing/simulated_vfs.h"

#include <sqlite3.h>

#include <array>
#include <atomic>
#include <cstring>

namespace mamori::testing {
namespace {

constexpr int kSectorSize = 4096;  // as SQLite's own says
constexpr sqlite3_int64 kNow =
    212'660'000'000'000;  // milliseconds since the Julian epoch; nothing kept depends on it

struct Open;

// What all connections share of one file.
struct Node {
  int shared = 0;
  const Open* reserved = nullptr;  // who may write next, or writes
  bool pending = false;            // no new readers

  int users = 0;  // of the index
  std::vector<std::unique_ptr<char[]>> regions;
  std::array<int, SQLITE_SHM_NLOCK> readers{};
  std::array<const Open*, SQLITE_SHM_NLOCK> writers{};
};

struct Shared {
  explicit Shared(os::Disk& d) : disk(d) {}
  os::Disk& disk;
  std::mutex mutex;  // guards the nodes
  std::map<std::string, Node> nodes;
};

struct Open {
  Shared& shared;
  std::filesystem::path path;
  std::unique_ptr<os::File> file;
  bool sync_folder = false;  // its name is not durable yet
  int level = SQLITE_LOCK_NONE;
  bool maps = false;
  std::array<bool, SQLITE_SHM_NLOCK> reads{};

  Node& node() { return shared.nodes[path.string()]; }
};

// As SQLite allocates it.
struct VfsFile {
  sqlite3_file base;
  Open* open;
};

Open& of(sqlite3_file* file) { return *reinterpret_cast<VfsFile*>(file)->open; }

int unlock(Open& open, int level) {
  if (open.level <= level) return SQLITE_OK;
  auto& node = open.node();
  if (node.reserved == &open) {
    node.reserved = nullptr;
    node.pending = false;
  }
  if (level == SQLITE_LOCK_NONE) --node.shared;
  open.level = level;
  return SQLITE_OK;
}

void unmap(Open& open) {
  if (!open.maps) return;
  open.maps = false;
  auto& node = open.node();
  for (std::size_t i = 0; i < SQLITE_SHM_NLOCK; ++i) {
    if (std::exchange(open.reads[i], false)) --node.readers[i];
    if (node.writers[i] == &open) node.writers[i] = nullptr;
  }
  if (--node.users == 0) node.regions.clear();
}

int close(sqlite3_file* file) {
  auto& open = of(file);
  {
    const std::lock_guard lock(open.shared.mutex);
    unlock(open, SQLITE_LOCK_NONE);
    unmap(open);
  }
  delete &open;
  return SQLITE_OK;
}

int read(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  const auto wanted = static_cast<std::size_t>(count);
  const auto got = of(file).file->read(static_cast<std::uint64_t>(at), static_cast<char*>(to), wanted);
  if (!got) return SQLITE_IOERR_CORRUPTFS;  // what EIO is to it
  if (*got == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + *got, 0, wanted - *got);
  return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  const std::string_view bytes(static_cast<const char*>(from), static_cast<std::size_t>(count));
  const auto written = of(file).file->write(static_cast<std::uint64_t>(at), bytes);
  if (written) return SQLITE_OK;
  return written.error().code == "os.disk.full" ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return of(file).file->truncate(static_cast<std::uint64_t>(size)) ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync(sqlite3_file* file, int) {
  auto& open = of(file);
  if (!open.file->sync()) return SQLITE_IOERR_FSYNC;
  if (std::exchange(open.sync_folder, false))
    (void)open.shared.disk.sync_folder(open.path.parent_path()).has_value();
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  const auto bytes = of(file).file->size();
  if (!bytes) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(*bytes);
  return SQLITE_OK;
}

int lock(sqlite3_file* file, int level) {
  auto& open = of(file);
  const std::lock_guard guard(open.shared.mutex);
  if (open.level >= level) return SQLITE_OK;
  auto& node = open.node();
  if (level == SQLITE_LOCK_SHARED) {
    if (node.pending) return SQLITE_BUSY;
    ++node.shared;
  } else {
    if (node.reserved && node.reserved != &open) return SQLITE_BUSY;
    node.reserved = &open;
    if (level == SQLITE_LOCK_EXCLUSIVE) {
      node.pending = true;
      open.level = SQLITE_LOCK_PENDING;
      if (node.shared > 1) return SQLITE_BUSY;
    }
  }
  open.level = level;
  return SQLITE_OK;
}

int unlock_to(sqlite3_file* file, int level) {
  auto& open = of(file);
  const std::lock_guard guard(open.shared.mutex);
  return unlock(open, level);
}

int check_reserved(sqlite3_file* file, int* out) {
  auto& open = of(file);
  const std::lock_guard guard(open.shared.mutex);
  *out = open.node().reserved != nullptr;
  return SQLITE_OK;
}

int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return kSectorSize; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  auto& open = of(file);
  const std::lock_guard guard(open.shared.mutex);
  auto& node = open.node();
  if (!std::exchange(open.maps, true)) ++node.users;
  const auto wanted = static_cast<std::size_t>(region);
  *out = nullptr;
  if (wanted >= node.regions.size() && !extend) return SQLITE_OK;
  while (node.regions.size() <= wanted)
    node.regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
  *out = node.regions[wanted].get();
  return SQLITE_OK;
}

int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  auto& open = of(file);
  const std::lock_guard guard(open.shared.mutex);
  auto& node = open.node();
  const auto first = static_cast<std::size_t>(offset), end = first + static_cast<std::size_t>(count);
  const bool alone = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (auto i = first; i < end; ++i) {
      if (node.writers[i] == &open) node.writers[i] = nullptr;
      if (std::exchange(open.reads[i], false)) --node.readers[i];
    }
    return SQLITE_OK;
  }
  for (auto i = first; i < end; ++i) {
    if (node.writers[i] && node.writers[i] != &open) return SQLITE_BUSY;
    if (alone && node.readers[i] > (open.reads[i] ? 1 : 0)) return SQLITE_BUSY;
  }
  for (auto i = first; i < end; ++i) {
    if (alone)
      node.writers[i] = &open;
    else if (!std::exchange(open.reads[i], true))
      ++node.readers[i];
  }
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); }

int shm_unmap(sqlite3_file* file, int) {
  auto& open = of(file);
  const std::lock_guard guard(open.shared.mutex);
  unmap(open);
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    2,         close,          read,    write,       truncate,        sync,    file_size, lock,
    unlock_to, check_reserved, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
    shm_unmap, nullptr,        nullptr,
};

Shared& of(sqlite3_vfs* vfs) { return *static_cast<Shared*>(vfs->pAppData); }

int open_file(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  auto& shared = of(vfs);
  file->pMethods = nullptr;
  if (!name) return SQLITE_CANTOPEN;  // a temporary file: they are kept in memory
  const std::filesystem::path path(name);
  const bool writes = (flags & SQLITE_OPEN_READWRITE) != 0, makes = (flags & SQLITE_OPEN_CREATE) != 0;
  if (writes && !makes) {
    const auto there = shared.disk.exists(path);
    if (!there || !*there) return SQLITE_CANTOPEN;
  }
  auto opened =
      shared.disk.open(path, writes ? os::Access::write : os::Access::read, os::Visibility::owner_only);
  if (!opened && writes) {
    opened = shared.disk.open(path, os::Access::read, os::Visibility::owner_only);
    flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  }
  if (!opened) return SQLITE_CANTOPEN;
  const bool journal =
      (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
  auto* const made = reinterpret_cast<VfsFile*>(file);
  made->open =
      new Open{.shared = shared, .path = path, .file = std::move(*opened), .sync_folder = makes && journal};
  made->base.pMethods = &kMethods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  const std::filesystem::path path(name);
  if (!of(vfs).disk.remove(path)) return SQLITE_IOERR_DELETE;
  if (sync_folder != 0 && !of(vfs).disk.sync_folder(path.parent_path())) return SQLITE_IOERR_DIR_FSYNC;
  return SQLITE_OK;
}

int access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  const auto there = of(vfs).disk.exists(name);
  *out = there && *there;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs*, int count, char* out) {
  sqlite3_randomness(count, out);
  return count;
}
int sleep(sqlite3_vfs*, int microseconds) {
  return microseconds;
}  // who waits here waits for nobody but itself
int current_time(sqlite3_vfs*, double* out) {
  *out = static_cast<double>(kNow) / 86'400'000.0;
  return SQLITE_OK;
}
int current_time_64(sqlite3_vfs*, sqlite3_int64* out) {
  *out = kNow;
  return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

struct SimulatedVfs::Impl {
  explicit Impl(os::Disk& disk) : shared(disk) {
    static std::atomic<unsigned> number{0};
    name = "simulated-" + std::to_string(++number);
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(VfsFile);
    vfs.mxPathname = 512;
    vfs.zName = name.c_str();
    vfs.pAppData = &shared;
    vfs.xOpen = open_file;
    vfs.xDelete = remove;
    vfs.xAccess = access;
    vfs.xFullPathname = full_path;
    vfs.xRandomness = randomness;
    vfs.xSleep = sleep;
    vfs.xCurrentTime = current_time;
    vfs.xGetLastError = last_error;
    vfs.xCurrentTimeInt64 = current_time_64;
    sqlite3_vfs_register(&vfs, 0);
  }
  ~Impl() { sqlite3_vfs_unregister(&vfs); }
  Shared shared;
  std::string name;
  sqlite3_vfs vfs{};
};

SimulatedVfs::SimulatedVfs(os::Disk& disk) : impl_(std::make_unique<Impl>(disk)) {}
SimulatedVfs::~SimulatedVfs() = default;

std::string SimulatedVfs::url(const std::filesystem::path& file) const {
  return "sqlite:" + file.string() + "?vfs=" + impl_->name;
}

}  // namespace mamori::testing
