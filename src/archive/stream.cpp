#include "archive/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace mamori::archive {
namespace {

constexpr std::string_view kFormat = "mamori archive stream 1\n";
constexpr std::string_view kKeptMagic = "MMKEPT01";
constexpr std::size_t kLargestKept = std::size_t{1} << 30;

std::vector<LeafIndex> numbers_of(const std::filesystem::path& folder, std::string_view ending) {
  std::vector<LeafIndex> out;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    const auto name = entry.path().filename().string();
    if (!name.ends_with(ending) || name.size() != 20 + ending.size() || name.find_first_not_of("0123456789") != 20) continue;
    out.push_back(std::strtoull(name.c_str(), nullptr, 10));
  }
  std::sort(out.begin(), out.end());
  return out;
}

void put_fixed(std::string& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), 8); }
bool take_fixed(std::string_view& in, std::uint64_t& value) {
  if (in.size() < 8) return false;
  std::memcpy(&value, in.data(), 8);
  in.remove_prefix(8);
  return true;
}
void put_hashes(std::string& out, std::span<const Hash> hashes) {
  put_fixed(out, hashes.size());
  for (const auto& hash : hashes) out.append(reinterpret_cast<const char*>(hash.data()), hash.size());
}
bool take_hashes(std::string_view& in, std::vector<Hash>& hashes) {
  std::uint64_t count = 0;
  if (!take_fixed(in, count) || count > in.size() / 32) return false;
  hashes.resize(count);
  for (auto& hash : hashes) {
    std::memcpy(hash.data(), in.data(), 32);
    in.remove_prefix(32);
  }
  return true;
}

void append_hashes(Tree& tree, const BlockHashes& hashes) {
  tree.append(hashes.before);
  for (const auto& chunk : hashes.chunks) tree.append_chunk(chunk);
  tree.append(hashes.after);
}

}  // namespace

Result<std::unique_ptr<Stream>> Stream::open(const std::filesystem::path& folder, std::string origin, const SigningKey& key, const Clock& clock, Disk& disk, Workers& workers, const StreamOptions& options) {
  MAMORI_ASSERT(options.events > 0 && options.events <= kBlockEvents);
  MAMORI_TRY(make_directory(folder));
  const auto format = folder / "format";
  if (std::filesystem::exists(format)) {
    if (MAMORI_TRY(read_file(format, 4096)) != kFormat) return Error{ErrorKind::conflict, "archive.stream.newer", {{"directory", folder.string()}}};
  } else if (!options.read_only) {
    MAMORI_TRY(write_file(format, kFormat, FileMode::owner_only));
  }
  std::unique_ptr<Stream> stream(new Stream(folder, std::move(origin), key, clock, disk, workers, options));
  MAMORI_TRY(stream->load());
  return stream;
}

Stream::~Stream() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tasks_ == 0; });  // blocks that could not be written stay in their logs
}

Status Stream::add_segment(const std::shared_ptr<Segment>& segment) {
  for (const auto& block : segment->blocks()) {
    const auto size = tree_.size();
    if (block->info.first > size) {
      // Leaves whose hashes are lost: their places are kept, so that everything behind them stays where it was.
      damage_.push_back({segment->file().path().string(), "archive.damage.missing", size, block->info.first - 1});
      tree_.append(std::vector<Hash>(block->info.first - size));
    }
    append_hashes(tree_, block->hashes);
  }
  segment->forget_hashes();
  segments_.push_back(segment);
  return {};
}

Status Stream::load() {
  MAMORI_TRY(load_kept());
  first_ = tree_.size();
  const auto numbers = numbers_of(folder_, ".seg");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < first_ && options_.read_only) continue;
    if (numbers[i] < first_) {  // retention was interrupted after it had kept what proofs need
      for (const auto* ending : {".filter", ".blooms", ".headers", ".seg"}) MAMORI_TRY(remove_file(folder_ / fmt::format("{:020}{}", numbers[i], ending)));
      continue;
    }
    MAMORI_TRY(add_segment(MAMORI_TRY(Segment::open(folder_, numbers[i], i + 1 == numbers.size() && !options_.read_only ? Segment::Use::grows : Segment::Use::reads, i + 1 == numbers.size(), disk_, damage_))));
  }
  size_ = tree_.size();
  MAMORI_TRY(load_logs());
  if (const auto bytes = read_file(folder_ / "heads", kLargestKept)) {
    std::string_view rest = *bytes;
    while (!rest.empty()) {
      const auto end = rest.find("\n\n", rest.find("\n\n") == rest.npos ? rest.npos : rest.find("\n\n") + 2);
      if (end == rest.npos) break;
      if (auto head = parse_head(rest.substr(0, end + 1))) heads_.push_back(std::move(*head));
      else damage_.push_back({(folder_ / "heads").string(), "archive.damage.head", 0, 0});
      rest.remove_prefix(end + 2);
    }
  }
  return {};
}

Status Stream::load_kept() {
  const auto bytes = read_file(folder_ / "kept", kLargestKept);
  if (!bytes) {
    if (bytes.error().kind == ErrorKind::not_found) return {};
    return bytes.error();
  }
  const Error damaged{ErrorKind::corrupt, "archive.kept.damaged", {{"file", (folder_ / "kept").string()}}};
  std::string_view in = *bytes;
  std::uint64_t check = 0, groups = 0;
  if (!in.starts_with(kKeptMagic) || in.size() < 24) return damaged;
  in.remove_prefix(kKeptMagic.size());
  if (!take_fixed(in, check) || checksum(in) != check) return damaged;
  std::vector<Hash> hashes;
  if (!take_hashes(in, hashes)) return damaged;
  for (const auto& hash : hashes) tree_.append_chunk(hash);
  if (!take_hashes(in, hashes)) return damaged;
  tree_.append(hashes);
  if (!take_fixed(in, groups)) return damaged;
  for (std::uint64_t i = 0; i < groups; ++i) {
    std::uint64_t first = 0;
    if (!take_fixed(in, first) || !take_hashes(in, hashes)) return damaged;
    kept_leaves_[first] = std::move(hashes);
  }
  return {};
}

std::shared_ptr<const Record> Stream::make_record(std::string bytes, std::shared_ptr<Batch> batch) const {
  auto record = std::make_shared<Record>();
  record->bytes = std::move(bytes);
  record->batch = std::move(batch);
  record->events = record->batch ? std::move(record->batch->events) : std::move(decode_record(record->bytes)).take();
  record->leaves = leaf_hashes(record->events);
  return record;
}

Status Stream::load_logs() {
  for (const auto number : numbers_of(folder_, ".log")) {
    const auto path = folder_ / fmt::format("{:020}.log", number);
    auto log = read_log(path);
    if ((!log || log->events.empty() || log->first + log->events.size() <= size_) && options_.read_only) continue;
    if (!log) {  // made, but the power went before its first bytes were there
      MAMORI_TRY(remove_file(path));
      continue;
    }
    if (log->holes != 0) damage_.push_back({path.string(), "archive.damage.log", log->first, log->first + log->events.size()});
    if (log->events.empty() || log->first + log->events.size() <= size_) {  // its block was written
      MAMORI_TRY(remove_file(path));
      continue;
    }
    if (log->first > size_) {
      damage_.push_back({path.string(), "archive.damage.missing", size_, log->first - 1});
      tree_.append(std::vector<Hash>(log->first - size_));
      size_ = log->first;
    }
    auto part = std::make_shared<Part>();
    part->first = size_;
    part->log_path = path;
    if (!options_.read_only) part->log.emplace(MAMORI_TRY(GrowingFile::open(path, log->good, disk_)));
    for (auto& bytes : log->records) {
      auto record = std::const_pointer_cast<Record>(make_record(std::move(bytes), nullptr));
      record->first = size_;
      tree_.append(record->leaves);
      size_ += record->events.size();
      part->count += record->events.size();
      for (const auto& event : record->events) part->bytes += event.raw.size();
      part->records.push_back(std::move(record));
    }
    part->synced = part->count;
    const std::lock_guard lock(mutex_);
    if (!parts_.empty() && !options_.read_only) freeze(parts_.back());
    parts_.push_back(std::move(part));
  }
  return {};
}

// The part that takes new events; order_ is held.
Result<std::shared_ptr<Stream::Part>> Stream::growing_part() {
  std::unique_lock lock(mutex_);
  ++appenders_;
  changed_.wait(lock, [this] { return broken_ || (bulk_ == 0 && (frozen_ < options_.backlog || failed_)); });
  --appenders_;
  changed_.notify_all();
  if (broken_) return *broken_;
  if (failed_ && frozen_ >= options_.backlog) {
    auto error = *failed_;
    lock.unlock();
    write_built();  // perhaps there is room again
    lock.lock();
    if (frozen_ >= options_.backlog) return error;
  }
  if (!parts_.empty() && !parts_.back()->frozen) return parts_.back();
  auto part = std::make_shared<Part>();
  part->first = size_;
  lock.unlock();
  part->log_path = folder_ / fmt::format("{:020}.log", part->first);
  part->log.emplace(MAMORI_TRY(GrowingFile::open(part->log_path, 0, disk_)));
  if (auto written = part->log->append(log_start(part->first)); !written) {
    (void)remove_file(part->log_path).has_value();
    return std::move(written).take_error();
  }
  MAMORI_TRY(sync_folder(folder_));
  lock.lock();
  parts_.push_back(part);
  return part;
}

void Stream::freeze(const std::shared_ptr<Part>& part) {
  part->frozen = true;
  ++frozen_;
  ++tasks_;
  workers_.add([this, part] { build(part); });
}

Result<LeafRange> Stream::append(std::span<const Event> events) {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  if (events.empty()) return LeafRange{size(), 0};
  if (events.size() > kBlockEvents) return Error{ErrorKind::invalid, "archive.batch.too-large", {{"events", std::to_string(events.size())}}};
  for (const auto& event : events)
    if (event.raw.size() > kLongestRaw) return Error{ErrorKind::invalid, "archive.event.too-long", {{"bytes", std::to_string(event.raw.size())}}};
  auto record = std::const_pointer_cast<Record>(make_record(encode_record(events), nullptr));
  std::shared_ptr<Part> part;
  std::size_t up_to = 0;
  {
    const std::lock_guard order(order_);
    part = MAMORI_TRY(growing_part());
    if (part->count + events.size() > kBlockEvents) {
      {
        const std::lock_guard lock(mutex_);
        freeze(part);
      }
      part = MAMORI_TRY(growing_part());
    }
    MAMORI_TRY(part->log->append(record->bytes));
    {
      const std::unique_lock lock(tree_mutex_);
      tree_.append(record->leaves);
    }
    const std::lock_guard lock(mutex_);
    record->first = size_;
    size_ += events.size();
    part->count += events.size();
    for (const auto& event : events) part->bytes += event.raw.size();
    part->records.push_back(record);
    up_to = part->count;
    if (part->count >= options_.events || part->bytes >= options_.bytes) freeze(part);
  }
  changed_.notify_all();
  MAMORI_TRY(sync_log(*part, up_to));
  return LeafRange{record->first, events.size()};
}

Status Stream::sync_log(Part& part, std::size_t count) {
  const std::lock_guard one(part.sync);
  if (part.synced >= count || !part.log) return {};
  std::size_t now = 0;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return *broken_;
    now = part.count;
  }
  if (auto synced = part.log->sync(); !synced) {
    // What the kernel has dropped after a failed sync nobody knows: nothing more is taken until the stream is opened anew.
    const std::lock_guard lock(mutex_);
    broken_ = synced.error();
    changed_.notify_all();
    return synced;
  }
  part.synced = now;
  return {};
}

Status Stream::append_block(std::shared_ptr<Batch> batch) {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  if (batch->events.empty()) return {};
  MAMORI_ASSERT(batch->events.size() <= options_.events);
  auto record = std::const_pointer_cast<Record>(make_record({}, std::move(batch)));
  auto part = std::make_shared<Part>();
  part->count = record->events.size();
  for (const auto& event : record->events) part->bytes += event.raw.size();
  const std::lock_guard order(order_);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return broken_ || failed_ || (appenders_ == 0 && frozen_ < options_.backlog); });
  if (broken_) return *broken_;
  if (failed_) return *failed_;
  if (!parts_.empty() && !parts_.back()->frozen) freeze(parts_.back());
  {
    const std::unique_lock tree_lock(tree_mutex_);
    tree_.append(record->leaves);
  }
  part->first = record->first = size_;
  size_ += part->count;
  part->records.push_back(std::move(record));
  parts_.push_back(part);
  ++bulk_;
  freeze(part);
  return {};
}

void Stream::build(const std::shared_ptr<Part>& part) {
  std::optional<BuiltBlock> built;
  {
    std::vector<Event> events;
    std::vector<Hash> hashes;
    events.reserve(part->count);
    hashes.reserve(part->count);
    for (const auto& record : part->records) {
      events.insert(events.end(), record->events.begin(), record->events.end());
      hashes.insert(hashes.end(), record->leaves.begin(), record->leaves.end());
    }
    built = build_block(events, std::move(hashes), options_.level);
  }
  {
    const std::lock_guard lock(mutex_);
    part->built = std::move(built);
  }
  write_built();
  const std::lock_guard lock(mutex_);
  --tasks_;
  changed_.notify_all();  // the last touch: after this the stream may be gone
}

void Stream::write_built() {
  const std::lock_guard one(write_);
  while (true) {
    std::shared_ptr<Part> part;
    std::shared_ptr<Segment> segment;
    {
      const std::lock_guard lock(mutex_);
      if (parts_.empty() || !parts_.front()->frozen || !parts_.front()->built) return;
      part = parts_.front();
      if (!segments_.empty() && !segments_.back()->full() && segments_.back()->end() == part->first) segment = segments_.back();
    }
    const bool fresh = !segment;
    Status written;
    if (fresh) {
      auto made = Segment::make(folder_, part->first, disk_);
      if (made) segment = std::move(*made);
      else written = made.error();
    }
    if (written) written = segment->append(*part->built, part->log ? Segment::Durable::now : Segment::Durable::later);
    const std::lock_guard lock(mutex_);
    if (!written) {
      failed_ = written.error();
      changed_.notify_all();
      return;
    }
    failed_.reset();
    if (fresh) segments_.push_back(segment);
    parts_.pop_front();
    --frozen_;
    if (!part->log) --bulk_;
    if (part->log) (void)remove_file(part->log_path).has_value();  // what stays is recognised at the next start
    changed_.notify_all();
  }
}

Status Stream::sync_segments() {
  const std::lock_guard one(write_);
  std::shared_ptr<Segment> last;
  {
    const std::lock_guard lock(mutex_);
    if (!segments_.empty()) last = segments_.back();
  }
  if (last) return last->sync();
  return {};
}

Status Stream::settle() {
  if (options_.read_only) return {};
  std::unique_lock lock(mutex_);
  if (failed_) {
    lock.unlock();
    write_built();
    lock.lock();
  }
  changed_.wait(lock, [this] { return frozen_ == 0 || failed_ || broken_; });
  if (broken_) return *broken_;
  if (failed_) return *failed_;
  lock.unlock();
  return sync_segments();  // blocks of an import
}

Status Stream::seal() {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  {
    const std::lock_guard order(order_);
    const std::lock_guard lock(mutex_);
    if (!parts_.empty() && !parts_.back()->frozen && parts_.back()->count > 0) freeze(parts_.back());
  }
  return settle();
}

Snapshot Stream::snapshot() const {
  Snapshot out;
  const std::lock_guard lock(mutex_);
  out.first = first_;
  out.size = size_;
  out.segments = segments_;
  for (const auto& segment : segments_) out.blocks.push_back(segment->blocks());
  // A block may be in its segment already while its part is still there: the part's events are not shown twice.
  auto in_blocks = first_;
  for (const auto& blocks : out.blocks)
    if (!blocks.empty()) in_blocks = blocks.back()->info.first + blocks.back()->info.count;
  for (const auto& part : parts_) {
    if (part->first < in_blocks) continue;
    for (const auto& record : part->records) out.records.push_back(record);
  }
  return out;
}

TreeSize Stream::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

LeafIndex Stream::first() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

std::uint64_t Stream::bytes_on_disk() const {
  std::uint64_t total = 0;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failure)) {
    std::error_code gone;
    const auto size = entry.file_size(gone);
    if (!gone) total += size;
  }
  return total;
}

std::uint64_t Stream::raw_bytes() const {
  std::uint64_t total = 0;
  const auto now = snapshot();
  for (const auto& blocks : now.blocks)
    for (const auto& block : blocks) total += block->info.raw_bytes;
  for (const auto& record : now.records)
    for (const auto& event : record->events) total += event.raw.size();
  return total;
}

std::size_t Stream::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t total = 0;
  for (const auto& part : parts_) total += part->count;
  return total;
}

std::vector<Damage> Stream::damage() const {
  const std::lock_guard lock(mutex_);
  return damage_;
}

namespace {

const Header* block_with(const Snapshot& now, LeafIndex index, std::shared_ptr<Segment>& segment) {
  for (std::size_t i = now.segments.size(); i-- > 0;) {
    if (now.blocks[i].empty() || now.blocks[i].front()->info.first > index) continue;
    for (const auto& block : now.blocks[i])
      if (index >= block->info.first && index < block->info.first + block->info.count) {
        segment = now.segments[i];
        return block.get();
      }
    return nullptr;
  }
  return nullptr;
}

}  // namespace

Result<Stream::Kept> Stream::event(LeafIndex index) const {
  const auto now = snapshot();
  for (const auto& record : now.records)
    if (index >= record->first && index < record->first + record->events.size()) return Kept{record->events[index - record->first], record};
  std::shared_ptr<Segment> segment;
  const auto* const block = block_with(now, index, segment);
  if (!block) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(index)}}};
  auto arena = std::make_shared<Arena>();
  const auto events = MAMORI_TRY(BlockReader(segment->file(), block->info).events(*arena));
  return Kept{events[index - block->info.first], arena};
}

Result<std::vector<Hash>> Stream::leaves(LeafIndex first, std::size_t count) const {
  std::vector<Hash> out;
  const auto now = snapshot();
  auto at = first;
  while (at < first + count) {
    const auto before = at;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [start, hashes] : kept_leaves_)
        for (; at >= start && at < start + hashes.size() && at < first + count; ++at) out.push_back(hashes[at - start]);
    }
    if (at != before) continue;
    for (const auto& record : now.records) {
      if (at < record->first || at >= record->first + record->leaves.size()) continue;
      for (; at < first + count && at < record->first + record->leaves.size(); ++at) out.push_back(record->leaves[at - record->first]);
      break;
    }
    if (at != before) continue;
    std::shared_ptr<Segment> segment;
    const auto* const block = block_with(now, at, segment);
    if (!block) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(at)}}};
    Arena arena;
    const auto events = MAMORI_TRY(BlockReader(segment->file(), block->info).events(arena));
    const auto start = at - block->info.first;
    const auto some = std::span(events).subspan(start, std::min<std::size_t>(events.size() - start, first + count - at));
    const auto hashes = leaf_hashes(some);
    out.insert(out.end(), hashes.begin(), hashes.end());
    at += some.size();
  }
  return out;
}

Tree::Leaves Stream::cached_leaves() const {
  struct Cache {
    LeafIndex first = 0;
    std::vector<Hash> hashes;
  };
  return [this, cache = std::make_shared<Cache>()](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    const auto held = [&] { return first >= cache->first && first + count <= cache->first + cache->hashes.size(); };
    if (!held()) {
      const auto now = snapshot();
      std::shared_ptr<Segment> segment;
      const auto* const block = block_with(now, first, segment);
      if (!block || first + count > block->info.first + block->info.count) return leaves(first, count);
      Arena arena;
      cache->hashes = leaf_hashes(MAMORI_TRY(BlockReader(segment->file(), block->info).events(arena)));
      cache->first = block->info.first;
    }
    const auto start = cache->hashes.begin() + static_cast<std::ptrdiff_t>(first - cache->first);
    return std::vector<Hash>(start, start + static_cast<std::ptrdiff_t>(count));
  };
}

Result<std::vector<Hash>> Stream::inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size) const {
  const std::shared_lock lock(tree_mutex_);
  return tree_.inclusion_of_all(indices, size, cached_leaves());
}

Result<Hash> Stream::root_at(TreeSize size) const {
  const std::shared_lock lock(tree_mutex_);
  return tree_.root_at(size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> Stream::inclusion(LeafIndex index, TreeSize size) const {
  const std::shared_lock lock(tree_mutex_);
  return tree_.inclusion(index, size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> Stream::consistency(TreeSize size1, TreeSize size2) const {
  const std::shared_lock lock(tree_mutex_);
  return tree_.consistency(size1, size2, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<Head> Stream::publish_head() {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  const std::lock_guard order(order_);  // nothing is added meanwhile
  MAMORI_TRY([&]() -> Status {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return bulk_ == 0 || failed_ || broken_; });
    if (broken_) return *broken_;
    if (bulk_ != 0) return *failed_;
    return {};
  }());
  std::vector<std::shared_ptr<Part>> parts;
  {
    const std::lock_guard lock(mutex_);
    parts.assign(parts_.begin(), parts_.end());
  }
  for (const auto& part : parts) MAMORI_TRY(sync_log(*part, part->count));
  MAMORI_TRY(sync_segments());
  TreeSize size = 0;
  Hash root;
  {
    const std::shared_lock lock(tree_mutex_);
    size = tree_.size();
    root = tree_.root();
  }
  {
    const std::lock_guard lock(mutex_);
    if (!heads_.empty() && heads_.back().size == size) return heads_.back();
  }
  auto head = sign_head(origin_, size, root, clock_.now(), key_);
  std::error_code missing;
  const auto at = std::filesystem::file_size(folder_ / "heads", missing);
  auto file = MAMORI_TRY(GrowingFile::open(folder_ / "heads", missing ? 0 : at, disk_));
  MAMORI_TRY(file.append(head.note + "\n"));
  MAMORI_TRY(file.sync());
  if (missing) MAMORI_TRY(sync_folder(folder_));
  const std::lock_guard lock(mutex_);
  heads_.push_back(head);
  return head;
}

std::vector<Head> Stream::heads() const {
  const std::lock_guard lock(mutex_);
  return heads_;
}

// Everything that proofs about later events, and from older heads, may still ask of leaves before `up_to`.
Status Stream::keep_for_proofs(LeafIndex up_to) {
  std::vector<Hash> chunks, ragged;
  {
    const std::shared_lock lock(tree_mutex_);
    const auto& all = tree_.chunks();
    chunks.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(up_to / kChunk));
  }
  if (up_to % kChunk != 0) ragged = MAMORI_TRY(leaves(up_to - up_to % kChunk, up_to % kChunk));
  auto groups = [&] {
    const std::lock_guard lock(mutex_);
    return kept_leaves_;
  }();
  if (!ragged.empty()) groups[up_to - up_to % kChunk] = ragged;
  for (const auto& head : heads()) {
    const auto start = head.size - head.size % kChunk;
    if (head.size % kChunk == 0 || start + kChunk > up_to || groups.contains(start)) continue;
    groups[start] = MAMORI_TRY(leaves(start, kChunk));
  }
  std::string body;
  put_hashes(body, chunks);
  put_hashes(body, ragged);
  put_fixed(body, groups.size());
  for (const auto& [first, hashes] : groups) {
    put_fixed(body, first);
    put_hashes(body, hashes);
  }
  std::string out(kKeptMagic);
  put_fixed(out, checksum(body));
  MAMORI_TRY(write_file(folder_ / "kept", out + body, FileMode::owner_only));
  const std::lock_guard lock(mutex_);
  kept_leaves_ = std::move(groups);
  return {};
}

Result<std::uint64_t> Stream::retain(const Retention& retention) {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  const std::lock_guard one(write_);
  std::vector<std::shared_ptr<Segment>> victims;
  LeafIndex up_to = 0;
  {
    const auto now = snapshot();
    auto total = bytes_on_disk();
    const auto limit = clock_.now() - retention.age;
    for (std::size_t i = 0; i + 1 < now.segments.size(); ++i) {
      const bool old = retention.age.count() > 0 && std::all_of(now.blocks[i].begin(), now.blocks[i].end(), [&](const auto& block) { return block->info.last_received < limit; });
      const bool much = retention.bytes > 0 && total > retention.bytes;
      if (!old && !much) break;
      victims.push_back(now.segments[i]);
      total -= std::min(total, now.segments[i]->bytes_on_disk());
      up_to = now.segments[i]->end();
    }
  }
  if (victims.empty()) return std::uint64_t{0};
  MAMORI_TRY(keep_for_proofs(up_to));
  std::uint64_t removed = 0;
  {
    const std::lock_guard lock(mutex_);
    removed = up_to - first_;
    first_ = up_to;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(victims.size()));
  }
  for (const auto& victim : victims) MAMORI_TRY(victim->remove());
  return removed;
}

Result<Verified> Stream::verify(const std::function<void(const Damage&)>& report, const std::function<void(std::uint64_t)>& progress) const {
  Verified out;
  std::optional<Damage> worst;
  const auto tell = [&](Damage damage) {
    report(damage);
    if (!worst || damage.first < worst->first) worst = std::move(damage);
  };
  for (const auto& damage : damage()) tell(damage);
  const auto now = snapshot();
  Tree tree;  // made from what is read, not from what was remembered
  {
    const std::shared_lock lock(tree_mutex_);
    const auto& chunks = tree_.chunks();
    for (LeafIndex chunk = 0; chunk < now.first / kChunk; ++chunk) tree.append_chunk(chunks[chunk]);
  }
  if (now.first % kChunk != 0) tree.append(MAMORI_TRY(leaves(now.first - now.first % kChunk, now.first % kChunk)));

  auto heads = this->heads();
  std::stable_sort(heads.begin(), heads.end(), [](const Head& a, const Head& b) { return a.size < b.size; });
  std::size_t next_head = 0;
  TreeSize good = now.first;
  const auto heads_file = (folder_ / "heads").string();
  const auto fits = [&](const Head& head, const Hash& root) {
    if (head.root == root && head.origin == origin_ && head_is_signed_by(head, key_.public_key())) {
      ++out.heads;
      good = head.size;
    } else {
      tell({heads_file, "archive.damage.root", good, head.size == 0 ? 0 : head.size - 1});
    }
  };
  for (; next_head < heads.size() && heads[next_head].size <= now.first; ++next_head) {
    const auto root = root_at(heads[next_head].size);
    if (root) fits(heads[next_head], *root);
  }
  const auto add = [&](std::span<const Hash> hashes) {
    while (!hashes.empty()) {
      auto take = hashes.size();
      if (next_head < heads.size() && heads[next_head].size > tree.size()) take = std::min<std::size_t>(take, heads[next_head].size - tree.size());
      tree.append(hashes.first(take));
      hashes = hashes.subspan(take);
      for (; next_head < heads.size() && heads[next_head].size == tree.size(); ++next_head) fits(heads[next_head], tree.root());
    }
  };
  for (std::size_t i = 0; i < now.segments.size(); ++i) {
    if (!now.segments[i]->check_filter()) tell({now.segments[i]->file().path().string(), "archive.damage.filter", now.segments[i]->first(), now.segments[i]->end() - 1});
    for (const auto& block : now.blocks[i]) {
      const auto& info = block->info;
      if (info.first > tree.size()) add(std::vector<Hash>(info.first - tree.size()));
      Arena arena;
      const BlockReader reader(now.segments[i]->file(), info);
      const auto events = reader.events(arena);
      if (!events) {
        tell({now.segments[i]->file().path().string(), events.error().code, info.first, info.first + info.count - 1});
        const auto unread = std::vector<Hash>(info.count);
        add(unread);
        continue;
      }
      const auto hashes = leaf_hashes(*events);
      // The header says what was written: a difference names the chunk, where the root of the whole would name nothing.
      const auto header = reader.header();
      if (!header || header->info.first != info.first || header->info.count != info.count) {
        tell({now.segments[i]->file().path().string(), "archive.damage.header", info.first, info.first + info.count - 1});
      } else {
        const auto before = header->hashes.before.size();
        for (std::size_t k = 0; k < before; ++k)
          if (header->hashes.before[k] != hashes[k]) tell({now.segments[i]->file().path().string(), "archive.damage.event", info.first + k, info.first + k});
        for (std::size_t c = 0; c < header->hashes.chunks.size(); ++c)
          if (perfect_root(std::span(hashes).subspan(before + c * kChunk, kChunk)) != header->hashes.chunks[c])
            tell({now.segments[i]->file().path().string(), "archive.damage.event", info.first + before + c * kChunk, info.first + before + (c + 1) * kChunk - 1});
        for (std::size_t k = 0; k < header->hashes.after.size(); ++k)
          if (header->hashes.after[k] != hashes[hashes.size() - header->hashes.after.size() + k]) {
            const auto at = info.first + hashes.size() - header->hashes.after.size() + k;
            tell({now.segments[i]->file().path().string(), "archive.damage.event", at, at});
          }
      }
      add(hashes);
      out.events += info.count;
      out.bytes += info.raw_bytes;
      if (progress) progress(out.events);
    }
  }
  for (const auto& record : now.records) {
    const auto hashes = leaf_hashes(record->events);
    add(hashes);
    out.events += record->events.size();
    for (const auto& event : record->events) out.bytes += event.raw.size();
  }
  for (; next_head < heads.size(); ++next_head)
    if (heads[next_head].size > tree.size()) tell({heads_file, "archive.damage.cut", tree.size(), heads[next_head].size - 1});
  out.size = tree.size();
  out.root = tree.root();
  if (worst) return Error{ErrorKind::corrupt, "archive.verify.failed", {{"file", worst->file}, {"what", worst->what}, {"first", std::to_string(worst->first)}, {"last", std::to_string(worst->last)}}};
  return out;
}

}  // namespace mamori::archive
