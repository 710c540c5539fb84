#include "archive/embedded/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace mamori::archive {
namespace {

static_assert(kLargestBatch <= kBlockEvents && kBatchBytes <= kBlockBytes);

constexpr std::string_view kFormat = "mamori archive stream 2\n", kFormat1 = "mamori archive stream 1\n";

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

void append_hashes(Tree& tree, const BlockHashes& hashes) {
  tree.append(hashes.before);
  for (const auto& chunk : hashes.chunks) tree.append_chunk(chunk);
  tree.append(hashes.after);
}

}  // namespace

Result<std::unique_ptr<EmbeddedStream>> EmbeddedStream::open(const std::filesystem::path& folder, std::string origin, const SigningKey& key, const Clock& clock, Disk& disk, Workers& workers, const StreamOptions& options) {
  MAMORI_ASSERT(options.events > 0 && options.events <= kBlockEvents);
  MAMORI_TRY(make_directory(folder));
  const auto format = folder / "format";
  if (std::filesystem::exists(format)) {
    const auto version = MAMORI_TRY(read_file(format, 4096));
    if (version != kFormat && version != kFormat1) return Error{ErrorKind::conflict, "archive.stream.newer", {{"directory", folder.string()}}};
    // Blocks of version 1 stay as they are; those to come would not be understood by what knows version 1 only.
    if (version == kFormat1 && !options.read_only) MAMORI_TRY(write_file(format, kFormat, FileMode::owner_only));
  } else if (!options.read_only) {
    MAMORI_TRY(write_file(format, kFormat, FileMode::owner_only));
  }
  std::unique_ptr<EmbeddedStream> stream(new EmbeddedStream(folder, std::move(origin), key, clock, disk, workers, options));
  MAMORI_TRY(stream->load());
  return stream;
}

EmbeddedStream::~EmbeddedStream() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tasks_ == 0; });  // blocks that could not be written stay in their logs
}

Status EmbeddedStream::add_segment(const std::shared_ptr<Segment>& segment) {
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

Status EmbeddedStream::load() {
  load_heads();
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
  return {};
}

std::shared_ptr<const Record> EmbeddedStream::make_record(std::string bytes, std::shared_ptr<Batch> batch) const {
  auto record = std::make_shared<Record>();
  record->bytes = std::move(bytes);
  record->batch = std::move(batch);
  record->events = record->batch ? std::move(record->batch->events) : std::move(decode_record(record->bytes)).take();
  record->leaves = leaf_hashes(record->events);
  return record;
}

Status EmbeddedStream::load_logs() {
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
Result<std::shared_ptr<EmbeddedStream::Part>> EmbeddedStream::growing_part() {
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

void EmbeddedStream::freeze(const std::shared_ptr<Part>& part) {
  part->frozen = true;
  ++frozen_;
  ++tasks_;
  workers_.add([this, part] { build(part); });
}

Result<LeafRange> EmbeddedStream::append(std::span<const Event> events) {
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

Status EmbeddedStream::sync_log(Part& part, std::size_t count) {
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

Status EmbeddedStream::append_block(std::shared_ptr<Batch> batch) {
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

void EmbeddedStream::build(const std::shared_ptr<Part>& part) {
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

void EmbeddedStream::write_built() {
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

Status EmbeddedStream::sync_segments() {
  const std::lock_guard one(write_);
  std::shared_ptr<Segment> last;
  {
    const std::lock_guard lock(mutex_);
    if (!segments_.empty()) last = segments_.back();
  }
  if (last) return last->sync();
  return {};
}

Status EmbeddedStream::settle() {
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

Status EmbeddedStream::seal() {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  {
    const std::lock_guard order(order_);
    const std::lock_guard lock(mutex_);
    if (!parts_.empty() && !parts_.back()->frozen && parts_.back()->count > 0) freeze(parts_.back());
  }
  return settle();
}

Snapshot EmbeddedStream::snapshot() const {
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

TreeSize EmbeddedStream::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

LeafIndex EmbeddedStream::first() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

std::uint64_t EmbeddedStream::bytes_on_disk() const {
  std::uint64_t total = 0;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failure)) {
    std::error_code gone;
    const auto size = entry.file_size(gone);
    if (!gone) total += size;
  }
  return total;
}

std::uint64_t EmbeddedStream::raw_bytes() const {
  std::uint64_t total = 0;
  const auto now = snapshot();
  for (const auto& blocks : now.blocks)
    for (const auto& block : blocks) total += block->info.raw_bytes;
  for (const auto& record : now.records)
    for (const auto& event : record->events) total += event.raw.size();
  return total;
}

std::size_t EmbeddedStream::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t total = 0;
  for (const auto& part : parts_) total += part->count;
  return total;
}

std::vector<Damage> EmbeddedStream::damage() const {
  const std::lock_guard lock(mutex_);
  return damage_;
}

}  // namespace mamori::archive
