// Opening a stream: what stands on the disk, after whatever happened to it. Of what nobody was told is kept nothing need stay; what was
// acknowledged is there, or its place is kept and named as damage.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "archive/embedded/stream.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kFormat = "mamori archive stream 3\n";
constexpr std::string_view kFormerFormats[] = {"mamori archive stream 1\n", "mamori archive stream 2\n"};
constexpr std::size_t kLargestHeads = std::size_t{1} << 30;
constexpr auto kNoCut = std::numeric_limits<LeafIndex>::max();

// The numbers of the files with this ending, rising.
std::vector<LeafIndex> numbers_of(const std::vector<std::string>& names, std::string_view ending) {
  std::vector<LeafIndex> out;
  for (const auto& name : names) {
    if (!name.ends_with(ending) || name.size() != 20 + ending.size() || name.find_first_not_of("0123456789") != 20) continue;
    out.push_back(std::strtoull(name.c_str(), nullptr, 10));
  }
  return out;
}

// A part of a log whose events follow each other.
struct Run {
  LeafIndex first = 0;
  std::vector<LogRecord> records;
};

}  // namespace

Result<std::unique_ptr<EmbeddedStream>> EmbeddedStream::open(const std::filesystem::path& folder, std::string origin,
                                                             const SigningKey& key, const Clock& clock, os::Disk& disk,
                                                             Workers& workers, const StreamOptions& options) {
  MAMORI_ASSERT(options.events > 0 && options.events <= kBlockEvents);
  MAMORI_ASSERT(options.segment > 0 && options.segment <= kSegmentBlocks);
  if (!options.read_only) MAMORI_TRY(os::make_directory(folder, os::Visibility::owner_only, disk));
  std::unique_ptr<EmbeddedStream> stream(new EmbeddedStream(folder, std::move(origin), key, clock, disk, workers, options));
  MAMORI_TRY(stream->load());
  return stream;
}

Status EmbeddedStream::load_format() {
  const auto file = folder_ / "format";
  const auto version = os::read_file(file, 4096, disk_);
  if (!version && version.error().kind != ErrorKind::not_found) return version.error();
  if (version && *version == kFormat) return {};
  if (version && std::find(std::begin(kFormerFormats), std::end(kFormerFormats), *version) == std::end(kFormerFormats))
    return Error{ErrorKind::conflict, "archive.stream.newer", {{"directory", folder_.string()}}};
  if (options_.read_only) return {};
  // What there is stays as it is; what is to come would not be understood by what knows earlier versions only.
  return os::write_file(file, kFormat, os::Visibility::owner_only, disk_);
}

Status EmbeddedStream::load() {
  const auto names = MAMORI_TRY(disk_.list(folder_));
  MAMORI_TRY(load_format());
  load_heads();
  MAMORI_TRY(load_kept());
  first_ = size_ = tree_.size();
  if (const auto text = os::read_file(folder_ / "importing", 64, disk_)) {
    LeafIndex number = 0;
    const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (failure == std::errc() && *end == '\n') importing_ = number;
  } else if (text.error().kind != ErrorKind::not_found) {
    return text.error();
  }
  MAMORI_TRY(load_segments(names));
  MAMORI_TRY(load_logs(names));
  if (options_.read_only) return {};

  if (importing_) {  // what was cut off is gone for good before it is forgotten that it was
    for (const auto& segment : segments_) MAMORI_TRY(segment->sync());
    MAMORI_TRY(disk_.sync_folder(folder_));
    MAMORI_TRY(os::write_file(folder_ / "importing", "none\n", os::Visibility::owner_only, disk_));
    importing_.reset();
  }
  // A head that was signed says how much there was once: what is to come stands behind it.
  TreeSize signed_size = 0;
  for (const auto& head : heads_)
    if (head.origin == origin_ && head_is_signed_by(head, key_.public_key())) signed_size = std::max(signed_size, head.size);
  if (signed_size > size_) {
    damage_.push_back({folder_.string(), "archive.damage.cut", size_, signed_size - 1});
    pad(signed_size);
  }
  blocks_unsynced_ = std::any_of(segments_.begin(), segments_.end(), [](const auto& segment) { return segment->unsynced(); });
  names_unsynced_ = true;

  {
    const std::lock_guard lock(mutex_);
    for (const auto& part : parts_) {
      const bool grows = part == parts_.back() && part->first + part->count == size_ && part->count < options_.events;
      if (!grows) freeze(part);
    }
  }
  hand_out();
  return {};
}

// Leaves whose hashes are lost: their places are kept, so that everything behind them stays where it was.
void EmbeddedStream::pad(TreeSize to) {
  const auto some = [&](TreeSize end) { tree_.append(std::vector<Hash>(static_cast<std::size_t>(end - tree_.size()))); };
  if (to > tree_.size() + kChunk) {
    some((tree_.size() + kChunk - 1) / kChunk * kChunk);
    const auto lost = perfect_root(std::vector<Hash>(kChunk));
    while (to - tree_.size() >= kChunk) tree_.append_chunk(lost);
  }
  some(to);
  size_ = to;
}

Status EmbeddedStream::add_segment(const std::shared_ptr<Segment>& segment) {
  const auto hashes = segment->take_hashes();
  const auto blocks = segment->blocks();
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    const auto first = (*blocks)[i]->info.first;
    if (first > tree_.size()) {
      damage_.push_back({segment->file().path().string(), "archive.damage.missing", tree_.size(), first - 1});
      pad(first);
    }
    tree_.append(hashes[i].before);
    tree_.append_chunks(hashes[i].chunks);
    tree_.append(hashes[i].after);
  }
  size_ = tree_.size();
  segments_.push_back(segment);
  return {};
}

Status EmbeddedStream::load_segments(const std::vector<std::string>& names) {
  const auto cut = importing_.value_or(kNoCut);
  const auto numbers = numbers_of(names, ".seg");
  const auto logs = numbers_of(names, ".log");
  std::vector<LeafIndex> wanted;
  for (const auto number : numbers) {
    // Retention was interrupted after it had kept what proofs need; or an import before it was promised to anybody.
    if (number >= first_ && number < cut) wanted.push_back(number);
    else if (!options_.read_only) MAMORI_TRY(Segment::remove(folder_, number, disk_));
  }
  if (!options_.read_only) {
    for (const auto& name : names)  // files that were never finished, and such whose segment is gone
      if (name.find(".new-") != name.npos) MAMORI_TRY(disk_.remove(folder_ / name));
    for (const auto* ending : {".filter", ".headers", ".blooms"})
      for (const auto number : numbers_of(names, ending))
        if (!std::binary_search(numbers.begin(), numbers.end(), number)) MAMORI_TRY(disk_.remove(file_of(number, ending)));
  }
  for (const auto number : wanted) {
    const bool last = number == wanted.back();
    Segment::Opening opening;
    opening.use = options_.read_only ? Segment::Use::reads : last ? Segment::Use::grows : Segment::Use::closed;
    if (last) opening.cut = cut;
    opening.in_log = [&](LeafIndex first) { return std::binary_search(logs.begin(), logs.end(), first); };
    MAMORI_TRY(add_segment(MAMORI_TRY(Segment::open({folder_, number, options_.segment}, opening, disk_, damage_))));
  }
  return {};
}

Status EmbeddedStream::load_logs(const std::vector<std::string>& names) {
  struct Found {
    LeafIndex number;
    LogFile log;
    std::vector<Run> runs;
    bool as_is;
  };
  std::vector<Found> all;
  TreeSize vouched = 0;  // so many leaves were durable once, says somebody who wrote later
  for (const auto& head : heads_) vouched = std::max(vouched, head.size);
  for (const auto number : numbers_of(names, ".log")) {
    const auto path = file_of(number, ".log");
    if (importing_ && number >= *importing_) {
      if (!options_.read_only) MAMORI_TRY(disk_.remove(path));
      continue;
    }
    auto log = read_log(path, disk_);
    if (!log && log.error().kind != ErrorKind::corrupt) return log.error();
    // Made, but the power went before its first bytes were there.
    if (!log) log = LogFile{.first = number};
    vouched = std::max(vouched, log->durable);
    const bool as_is = !log->version1 && !log->ragged && log->first == number;
    all.push_back({number, std::move(*log), {}, as_is});
  }

  TreeSize moved = 0;  // by so many leaves what follows moves up
  for (auto& found : all) {
    if (found.log.version1 && found.log.ragged)
      damage_.push_back({file_of(found.number, ".log").string(), "archive.damage.log", found.number, found.number});
    for (auto& record : found.log.records) {
      auto first = record.first - moved;
      if (first + record.count <= size_) continue;  // its block was written
      if (first < size_) {
        damage_.push_back({file_of(found.number, ".log").string(), "archive.damage.log", first, size_ - 1});
        continue;
      }
      if (first > size_ && vouched > size_ + moved) {
        damage_.push_back({file_of(found.number, ".log").string(), "archive.damage.log", size_, first - 1});
        pad(first);
      } else if (first > size_) {
        // Nobody vouches for what is missing: a crash came before it was acknowledged, and before what follows was.
        moved += first - size_;
        first = size_;
      }
      found.as_is = found.as_is && first == record.first;
      const auto follows = [&](const Run& run) { return run.records.back().first + run.records.back().count == first; };
      if (found.runs.empty() || !follows(found.runs.back())) found.runs.push_back({first, {}});
      record.first = first;
      auto decoded = MAMORI_TRY(decode_record(record.bytes));
      tree_.append(leaf_hashes(decoded));
      size_ += record.count;
      found.runs.back().records.push_back(std::move(record));
    }
    found.as_is = found.as_is && found.runs.size() == 1 && found.runs[0].first == found.number;
  }

  // What is in blocks leaves its log when the blocks are durable, and not before.
  const bool any_done = std::any_of(all.begin(), all.end(), [](const Found& found) { return found.runs.empty(); });
  if (any_done && !options_.read_only) {
    for (const auto& segment : segments_) MAMORI_TRY(segment->sync());
    MAMORI_TRY(disk_.sync_folder(folder_));
  }
  for (auto& found : all) {
    std::set<LeafIndex> kept;
    for (auto& run : found.runs) {
      auto part = std::make_shared<Part>();
      part->first = run.first;
      part->log_path = file_of(run.first, ".log");
      std::string bytes = log_start(run.first);
      for (auto& record : run.records) {
        auto made = make_record(std::move(record.bytes), nullptr);
        if (!found.as_is) seal_record(made->bytes, record.first, 0);
        if (!found.as_is) bytes += made->bytes;
        made->first = record.first;
        made->events = MAMORI_TRY(decode_record(made->bytes));
        made->leaves = leaf_hashes(made->events);
        for (const auto& event : made->events) part->bytes += event.raw.size();
        part->count += record.count;
        part->records.push_back(std::move(made));
      }
      if (!options_.read_only) {
        // One that says other places than its events have now is written anew.
        if (!found.as_is) MAMORI_TRY(os::write_file(part->log_path, bytes, os::Visibility::owner_only, disk_));
        part->synced = found.as_is ? 0 : part->count;
        part->log = MAMORI_TRY(os::GrowingFile::open(part->log_path, found.as_is ? found.log.good : bytes.size(), disk_));
        MAMORI_TRY(part->log->cut());
      }
      kept.insert(run.first);
      parts_.push_back(std::move(part));
    }
    if (!options_.read_only && !kept.contains(found.number)) MAMORI_TRY(disk_.remove(file_of(found.number, ".log")));
  }
  return {};
}

// Heads one after the other, each followed by an empty line. What a crash left of the last one is written over by the next.
void EmbeddedStream::load_heads() {
  const auto bytes = os::read_file(folder_ / "heads", kLargestHeads, disk_);
  if (!bytes) return;
  const std::string_view text = *bytes;
  const auto start = origin_ + "\n";
  const auto next_start = [&](std::size_t from) {
    const auto found = text.find("\n" + start, from);
    return found == text.npos ? found : found + 1;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto after_text = text.find("\n\n", at);
    const auto end = after_text == text.npos ? text.npos : text.find("\n\n", after_text + 2);
    auto head = end == text.npos ? Result<Head>(Error{ErrorKind::invalid, "archive.head.bad"}) : parse_head(text.substr(at, end + 1 - at));
    if (head) {
      heads_.push_back(std::move(*head));
      at = heads_end_ = end + 2;
      continue;
    }
    at = next_start(at);
    if (at == text.npos) break;
    damage_.push_back({(folder_ / "heads").string(), "archive.damage.head", 0, 0});
  }
}

}  // namespace mamori::archive
