// Writing: from append() through the log into blocks, and what is durable when.
#include "archive/embedded/stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/embedded/checksum.h"

namespace mamori::archive {
namespace {

constexpr std::size_t kMostRefused = 64;

static_assert(kLargestBatch <= kBlockEvents && kBatchBytes <= kBlockBytes);

// The line of the file "importing": from which leaf on nothing is promised, and a check.
std::string importing_mark(LeafIndex first) {
  const auto number = std::to_string(first);
  return fmt::format("{} {:016x}\n", number, checksum(number));
}

Error busy(const std::filesystem::path& folder) {
  return {ErrorKind::conflict, "archive.busy", {{"directory", folder.string()}}};
}

}  // namespace

std::filesystem::path EmbeddedStream::file_of(LeafIndex first, const char* ending) const {
  return folder_ / fmt::format("{:020}{}", first, ending);
}

EmbeddedStream::~EmbeddedStream() {
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [this]() REQUIRES(mutex_) {
    return tasks_ == 0;
  });  // blocks that could not be written stay in their logs
}

// Waits until there is room for one more part, and, for live events, until every block of an import is in its
// segment: a log behind a block that was lost would begin at a wrong leaf. Where a block could not be written
// it is tried once more here, and then said why.
Status EmbeddedStream::wait_for_room(bool for_bulk) {
  const auto room = [&]() REQUIRES(mutex_) { return frozen_ < options_.backlog && (for_bulk || bulk_ == 0); };
  for (bool tried = false;;) {
    changed_.wait(mutex_, [&]() REQUIRES(mutex_) { return room() || failed_; });
    if (room()) return {};
    if (tried) return *failed_;
    tried = true;
    const MutexUnlock away(mutex_);
    write_built();
  }
}

// The part that takes new events; order_ is held.
Result<std::shared_ptr<EmbeddedStream::Part>> EmbeddedStream::growing_part() {
  MutexLock lock(mutex_);
  MAMORI_TRY(wait_for_room(false));
  if (!parts_.empty() && !parts_.back()->frozen) return parts_.back();
  auto part = std::make_shared<Part>();
  part->first = size_;
  lock.unlock();
  part->log_path = file_of(part->first, ".log");
  // What an earlier try left goes: a name whose sync failed never becomes durable.
  MAMORI_TRY(disk_.remove(part->log_path));
  part->log = MAMORI_TRY(os::GrowingFile::open(part->log_path, 0, disk_));
  MAMORI_TRY(part->log->append(log_start(part->first)));
  MAMORI_TRY(disk_.sync_folder(folder_));
  lock.lock();
  parts_.push_back(part);
  return part;
}

void EmbeddedStream::close_growing() {
  if (parts_.empty() || parts_.back()->frozen) return;
  if (parts_.back()->count > 0) return freeze(parts_.back());
  (void)disk_.remove(parts_.back()->log_path)
      .has_value();  // an empty one that stays is recognised at the next start
  parts_.pop_back();
}

void EmbeddedStream::freeze(const std::shared_ptr<Part>& part) {
  part->frozen = true;
  ++frozen_;
  ++tasks_;
  to_build_.push_back(part);
}

void EmbeddedStream::hand_out() {
  std::vector<std::shared_ptr<Part>> parts;
  {
    const MutexLock lock(mutex_);
    parts.swap(to_build_);
  }
  for (auto& part : parts) workers_.add([this, part = std::move(part)] { build(part); });
}

Result<LeafRange> EmbeddedStream::append(std::span<const Event> events) {
  if (options_.read_only) return busy(folder_);
  if (events.empty()) return LeafRange{size(), 0};
  if (events.size() > kBlockEvents)
    return Error{ErrorKind::invalid, "archive.batch.too-large", {{"events", std::to_string(events.size())}}};
  for (const auto& event : events)
    if (event.raw.size() > kLongestRaw)
      return Error{
          ErrorKind::invalid, "archive.event.too-long", {{"bytes", std::to_string(event.raw.size())}}};
  {
    MutexLock lock(mutex_);
    if (given_up_) return *given_up_;
    const auto found = found_;
    const bool vouched = durable_ >= found;
    lock.unlock();
    // A record says how much was durable when it was written: what was there at the start is so from here on.
    if (!vouched) MAMORI_TRY(make_durable(found));
  }
  const auto record = std::make_shared<Record>();
  record->bytes = encode_record(events);
  if (const auto again = refused_before(record->bytes)) return acknowledge(again);
  record->events = MAMORI_TRY(decode_record(record->bytes));
  record->leaves = leaf_hashes(record->events);
  {
    const MutexLock order(order_);
    auto part = MAMORI_TRY(growing_part());
    if (part->count + events.size() > kBlockEvents) {
      {
        const MutexLock lock(mutex_);
        freeze(part);
      }
      hand_out();
      part = MAMORI_TRY(growing_part());
    }
    TreeSize durable = 0;
    {
      const MutexLock lock(mutex_);
      record->first = size_;
      durable = durable_;
    }
    seal_record(record->bytes, record->first, durable);
    MAMORI_TRY(part->log->append(record->bytes));
    const MutexLock lock(mutex_);
    tree_.append(record->leaves);
    size_ += events.size();
    part->count += events.size();
    for (const auto& event : events) part->bytes += event.raw.size();
    part->records.push_back(record);
    if (part->count >= options_.events || part->bytes >= options_.bytes) freeze(part);
  }
  hand_out();
  changed_.notify_all();
  return acknowledge(record);
}

Result<LeafRange> EmbeddedStream::acknowledge(std::shared_ptr<const Record> record) {
  const LeafRange range{record->first, record->events.size()};
  const auto durable = make_durable(range.first + range.count);
  if (durable) return range;
  const MutexLock lock(mutex_);
  refused_.push_back(std::move(record));
  if (refused_.size() > kMostRefused) refused_.pop_front();
  return durable.error();
}

// The record with the same events that has a place already, if there is one.
std::shared_ptr<const Record> EmbeddedStream::refused_before(std::string_view record) {
  const MutexLock lock(mutex_);
  const auto same = [&](const auto& one) {
    return std::string_view(one->bytes).substr(kRecordStart) == record.substr(kRecordStart);
  };
  const auto found = std::find_if(refused_.begin(), refused_.end(), same);
  if (found == refused_.end()) return nullptr;
  auto out = std::move(*found);
  refused_.erase(found);
  return out;
}

Status EmbeddedStream::make_durable(TreeSize up_to) {
  struct Seen {
    std::shared_ptr<Part> part;
    std::size_t count;
  };
  const MutexLock one(sync_);
  std::vector<Seen> seen;
  TreeSize target = 0;
  bool blocks = false;
  {
    const MutexLock lock(mutex_);
    if (durable_ >= up_to) return {};
    target = size_;
    for (const auto& part : parts_) seen.push_back({part, part->count});
  }
  MAMORI_TRY(sync_names());
  // In their order: what is acknowledged has everything before it on the disk.
  std::vector<std::shared_ptr<Part>> only_blocks;
  for (const auto& [part, count] : seen) {
    if (part->synced >= count) continue;
    if (!part->bulk && !part->log_lost) {
      if (part->log->sync()) {
        part->synced = count;
        continue;
      }
      // What the kernel dropped nobody knows, and a second sync would not say. The block is the other way to
      // the disk.
      part->log_lost = true;
      const MutexLock order(order_);
      const MutexLock lock(mutex_);
      if (!part->frozen) freeze(part);
    }
    only_blocks.push_back(part);
  }
  hand_out();
  for (const auto& part : only_blocks) MAMORI_TRY(wait_written(*part));
  {
    const MutexLock lock(mutex_);
    blocks = blocks_unsynced_;
  }
  if (blocks) MAMORI_TRY(sync_blocks());
  const MutexLock lock(mutex_);
  durable_ = std::max(durable_, target);
  return {};
}

// Names that were there when the stream was opened: whoever made them may have ended before they were
// durable.
Status EmbeddedStream::sync_names() {
  {
    const MutexLock lock(mutex_);
    if (!names_unsynced_) return {};
  }
  MAMORI_TRY(disk_.sync_folder(folder_));
  const MutexLock lock(mutex_);
  names_unsynced_ = false;
  return {};
}

Status EmbeddedStream::wait_written(const Part& part) {
  MutexLock lock(mutex_);
  for (bool tried = false;;) {
    changed_.wait(mutex_, [&]() REQUIRES(mutex_) { return part.written || failed_; });
    if (part.written) return {};
    if (tried) return *failed_;
    tried = true;
    lock.unlock();
    write_built();
    lock.lock();
  }
}

Status EmbeddedStream::append_block(std::shared_ptr<Batch> batch) {
  if (options_.read_only) return busy(folder_);
  if (batch->events.empty()) return {};
  MAMORI_ASSERT(batch->events.size() <= options_.events);
  const auto record = std::make_shared<Record>();
  record->batch = std::move(batch);
  record->events = std::move(record->batch->events);
  record->leaves = leaf_hashes(record->events);
  auto part = std::make_shared<Part>();
  part->bulk = true;
  part->count = record->events.size();
  for (const auto& event : record->events) part->bytes += event.raw.size();
  {
    const MutexLock order(order_);
    MutexLock lock(mutex_);
    if (given_up_) return *given_up_;
    MAMORI_TRY(wait_for_room(true));
    if (failed_) {  // no more is taken in than can be written: an import that goes on would only fill the
                    // memory
      lock.unlock();
      write_built();
      lock.lock();
      if (failed_) return *failed_;
    }
    close_growing();
    tree_.append(record->leaves);
    part->first = record->first = size_;
    size_ += part->count;
    part->records.push_back(record);
    parts_.push_back(part);
    ++bulk_;
    freeze(part);
  }
  hand_out();
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
    const MutexLock lock(mutex_);
    part->built = std::move(built);
  }
  write_built();
  const MutexLock lock(mutex_);
  --tasks_;
  changed_.notify_all();  // the last touch: after this the stream may be gone
}

void EmbeddedStream::write_built() {
  const MutexLock one(write_);
  while (true) {
    std::shared_ptr<Part> part;
    {
      const MutexLock lock(mutex_);
      if (parts_.empty() || !parts_.front()->frozen || !parts_.front()->built) return;
      part = parts_.front();
    }
    const auto written = write_block(*part);
    const MutexLock lock(mutex_);
    if (!written) {
      failed_ = written.error();
      changed_.notify_all();
      return;
    }
    failed_.reset();
    part->written = true;
    parts_.pop_front();
    --frozen_;
    if (part->bulk) --bulk_;
    // What stays is recognised at the next start.
    if (!part->log_path.empty()) (void)disk_.remove(part->log_path).has_value();
    changed_.notify_all();
  }
}

Status EmbeddedStream::write_block(Part& part) {
  MAMORI_TRY(sync_names());
  std::shared_ptr<Segment> segment;
  {
    const MutexLock lock(mutex_);
    if (!segments_.empty()) segment = segments_.back();
  }
  if (part.bulk && (!importing_ || mark_unsure_))
    MAMORI_TRY(promise_nothing_from(importing_.value_or(part.first)));
  if (!segment || !segment->grows() || segment->end() != part.first) {
    if (segment) (void)segment->finish().has_value();  // one that failed before
    segment = MAMORI_TRY(Segment::make({folder_, part.first, options_.segment}, disk_));
    const MutexLock lock(mutex_);
    segments_.push_back(segment);
  }
  if (part.bulk) {
    const MutexLock lock(mutex_);
    blocks_unsynced_ = true;
  }
  MAMORI_TRY(segment->append(*part.built, part.bulk ? Segment::Durable::later : Segment::Durable::now));
  if (segment->full()) (void)segment->finish().has_value();
  return {};
}

// Says in the folder, for good, that what begins at `first` or behind is not promised to anybody yet. write_
// is held.
Status EmbeddedStream::promise_nothing_from(LeafIndex first) {
  mark_unsure_ = true;
  importing_ = first;
  MAMORI_TRY(os::write_file(folder_ / "importing", importing_mark(first), os::Visibility::owner_only, disk_));
  mark_unsure_ = false;
  return {};
}

// Blocks of an import, and those found at the start: durable from here on.
Status EmbeddedStream::sync_blocks() {
  const MutexLock one(write_);
  std::vector<std::shared_ptr<Segment>> segments;
  {
    const MutexLock lock(mutex_);
    segments = segments_;
  }
  for (const auto& segment : segments) {
    if (const auto synced = segment->sync(); !synced) {
      // What an import wrote can be neither synced nor read any more: nothing behind it can be acknowledged.
      const MutexLock lock(mutex_);
      if (synced.error().kind == ErrorKind::corrupt) given_up_ = synced.error();
      return synced;
    }
  }
  if (importing_) {
    mark_unsure_ = true;
    MAMORI_TRY(os::write_file(folder_ / "importing", "none\n", os::Visibility::owner_only, disk_));
    mark_unsure_ = false;
    importing_.reset();
  }
  const MutexLock lock(mutex_);
  blocks_unsynced_ = bulk_ != 0;
  return {};
}

Status EmbeddedStream::settle() {
  if (options_.read_only) return {};
  MutexLock lock(mutex_);
  for (bool tried = false;;) {
    changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return frozen_ == 0 || failed_; });
    if (frozen_ == 0) break;
    if (tried) return *failed_;
    tried = true;
    lock.unlock();
    write_built();
    lock.lock();
  }
  const auto all = size_;
  lock.unlock();
  return make_durable(all);
}

Status EmbeddedStream::seal() {
  if (options_.read_only) return busy(folder_);
  {
    const MutexLock order(order_);
    const MutexLock lock(mutex_);
    close_growing();
  }
  hand_out();
  return settle();
}

}  // namespace mamori::archive
