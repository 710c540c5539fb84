// Opening a stream: what stands on the disk, after whatever happened to it. Of what nobody was told is kept
// nothing need stay; what was acknowledged is there, or its place is kept and named as damage.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "archive/embedded/checksum.h"
#include "archive/embedded/stream.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kFormatWords = "mamori archive stream ";
constexpr std::string_view kFormat = "mamori archive stream 3\n";
constexpr std::string_view kFormerFormats[] = {"mamori archive stream 1\n", "mamori archive stream 2\n"};
constexpr std::size_t kSignatureLine =
    2 + 4 + 15 + 1 + 92;  // line feeds, dash, name of the key, space, key id and signature in base64
constexpr int kReaderTries = 20;
constexpr std::size_t kLargestHeads = std::size_t{1} << 30;
constexpr std::string_view kTail = "archive.damage.tail";
constexpr auto kNoCut = std::numeric_limits<LeafIndex>::max();

// The numbers of the files with this ending, rising.
std::vector<LeafIndex> numbers_of(const std::vector<std::string>& names, std::string_view ending) {
  std::vector<LeafIndex> out;
  for (const auto& name : names) {
    if (!name.ends_with(ending) || name.size() != 20 + ending.size() ||
        name.find_first_not_of("0123456789") != 20)
      continue;
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

Result<std::unique_ptr<EmbeddedStream>> EmbeddedStream::open(const std::filesystem::path& folder,
                                                             std::string origin, const SigningKey& key,
                                                             const Clock& clock, os::Disk& disk,
                                                             Workers& workers, const StreamOptions& options) {
  MAMORI_ASSERT(options.events > 0 && options.events <= kBlockEvents);
  MAMORI_ASSERT(options.segment > 0 && options.segment <= kSegmentBlocks);
  if (!options.read_only) MAMORI_TRY(os::make_directory(folder, os::Visibility::owner_only, disk));
  std::optional<LeafIndex> before;  // where the last try saw a damaged end
  for (int tries = 1;; ++tries) {
    std::unique_ptr<EmbeddedStream> stream(
        new EmbeddedStream(folder, origin, key, clock, disk, workers, options));
    const auto loaded = stream->load();
    const auto tail = stream->damaged_tail();
    // Beside a writer it may be a block that is just being written, whose log was not there yet when the
    // names were read.
    const bool perhaps = options.read_only && tail && tail != before && tries < kReaderTries;
    before = tail;
    if (loaded && !perhaps) return stream;
    if (loaded) continue;
    // Beside a writer, which has just let go of a file that was there when the names were read.
    const bool passing =
        options.read_only && loaded.error().kind == ErrorKind::not_found && tries < kReaderTries;
    if (!passing) return loaded.error();
  }
}

Status EmbeddedStream::load_format() {
  const auto file = folder_ / "format";
  const auto version = os::read_file(file, 4096, disk_);
  if (!version && version.error().kind != ErrorKind::not_found) return version.error();
  if (version && *version == kFormat) return {};
  const bool former = version && std::find(std::begin(kFormerFormats), std::end(kFormerFormats), *version) !=
                                     std::end(kFormerFormats);
  if (version && !former) {
    const auto number = std::string_view(*version).substr(std::min(kFormatWords.size(), version->size()));
    const bool newer = version->starts_with(kFormatWords) && number.ends_with('\n') && number.size() > 1 &&
                       number.find_first_not_of("0123456789\n") == number.npos;
    if (newer) return Error{ErrorKind::conflict, "archive.stream.newer", {{"directory", folder_.string()}}};
    damage_.push_back({file.string(), "archive.damage.file", 0, 0});
  }
  if (options_.read_only) return {};
  // What there is stays as it is; what is to come would not be understood by what knows earlier versions
  // only.
  return os::write_file(file, kFormat, os::Visibility::owner_only, disk_);
}

// Before the first name goes, those that stand for it are durable.
Status EmbeddedStream::remove_at_start(const std::filesystem::path& file) {
  if (std::exchange(names_as_found_, false)) MAMORI_TRY(disk_.sync_folder(folder_));
  return disk_.remove(file);
}

// How much there was once, says the newest of the heads that are really ours.
TreeSize EmbeddedStream::signed_size() const {
  std::vector<const Head*> sorted;
  for (const auto& head : heads_) sorted.push_back(&head);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Head* a, const Head* b) { return a->size > b->size; });
  for (const auto* head : sorted)
    if (head->origin == origin_ && head_is_signed_by(*head, key_.public_key())) return head->size;
  return 0;
}

Status EmbeddedStream::load_importing(const std::vector<FoundLog>& logs) {
  const auto text = os::read_file(folder_ / "importing", 256, disk_);
  if (!text) return text.error().kind == ErrorKind::not_found ? Status() : Status(text.error());
  if (*text == "none\n") return {};
  LeafIndex number = 0, check = 0;
  const auto* const end = text->data() + text->size();
  const auto [at, failure] = std::from_chars(text->data(), end, number);
  const auto hex = at + 1 < end ? std::from_chars(at + 1, end, check, 16)
                                : std::from_chars_result{at, std::errc::invalid_argument};
  bool good = failure == std::errc() && hex.ec == std::errc() &&
              check == checksum({text->data(), static_cast<std::size_t>(at - text->data())});
  // Nothing that somebody was told is kept can stand behind it.
  good = good && signed_ <= number;
  for (const auto& found : logs) good = good && found.log.durable <= number;
  if (good) {
    importing_ = number;
    return {};
  }
  // Told once; which blocks nobody was promised is not known any more, so all stay.
  damage_.push_back({(folder_ / "importing").string(), "archive.damage.file", 0, 0});
  if (options_.read_only) return {};
  return os::write_file(folder_ / "importing", "none\n", os::Visibility::owner_only, disk_);
}

Status EmbeddedStream::load() {
  const auto names = MAMORI_TRY(disk_.list(folder_));
  MAMORI_TRY(load_format());
  MAMORI_TRY(load_heads());
  signed_ = signed_size();
  if (auto kept = load_kept(); !kept) {
    if (kept.error().kind != ErrorKind::corrupt) return kept;
    // What proofs need of retired events is lost; the events that are there are not.
    damage_.push_back({(folder_ / "kept").string(), "archive.damage.file", 0, 0});
    const auto numbers = numbers_of(names, ".seg");
    tree_ = Tree();
    if (!numbers.empty()) pad(numbers.front());
  }
  first_ = size_ = tree_.size();
  auto logs = MAMORI_TRY(read_logs(names));
  MAMORI_TRY(load_importing(logs));
  MAMORI_TRY(load_segments(names, logs));
  MAMORI_TRY(load_logs(std::move(logs)));
  found_ = size_;
  if (options_.read_only) return {};

  if (importing_) {  // what was cut off is gone for good before it is forgotten that it was
    for (const auto& segment : segments_) MAMORI_TRY(segment->sync());
    MAMORI_TRY(disk_.sync_folder(folder_));
    MAMORI_TRY(os::write_file(folder_ / "importing", "none\n", os::Visibility::owner_only, disk_));
    importing_.reset();
  }
  // What is to come stands behind what was signed.
  if (signed_ > size_) {
    damage_.push_back({folder_.string(), "archive.damage.cut", size_, signed_ - 1});
    pad(signed_);
  }
  blocks_unsynced_ = std::any_of(segments_.begin(), segments_.end(),
                                 [](const auto& segment) { return segment->unsynced(); });
  names_unsynced_ = true;
  found_ = size_;
  {
    const MutexLock lock(mutex_);
    for (const auto& part : parts_) {
      const bool grows =
          part == parts_.back() && part->first + part->count == size_ && part->count < options_.events;
      if (!grows) freeze(part);
    }
  }
  hand_out();
  return {};
}

// Leaves whose hashes are lost: their places are kept, so that everything behind them stays where it was.
void EmbeddedStream::pad(TreeSize to) {
  const auto some = [&](TreeSize end) NO_THREAD_SAFETY_ANALYSIS {
    tree_.append(std::vector<Hash>(static_cast<std::size_t>(end - tree_.size())));
  };
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

std::optional<LeafIndex> EmbeddedStream::damaged_tail() const {
  const auto found =
      std::find_if(damage_.rbegin(), damage_.rend(), [](const Damage& one) { return one.what == kTail; });
  return found == damage_.rend() ? std::nullopt : std::optional(found->first);
}

// The end of the last segment cannot be read: what stood there goes as far as anything else tells, and its
// places are kept, so that the loss stays known and nothing new is taken for it.
void EmbeddedStream::keep_places(Damage& tail, const std::vector<FoundLog>& logs) {
  if (size_ > tail.first) return;
  pad(tail.first);  // of a segment that was put aside
  auto to = std::max(tail.last + 1, signed_);
  auto behind = kNoCut;
  for (const auto& found : logs)
    for (const auto& record : found.log.records)
      if (record.first + record.count > size_)
        behind = std::min(behind, std::max<LeafIndex>(record.first, size_));
  if (behind != kNoCut) to = behind;
  if (to <= size_) return;
  tail.last = to - 1;
  pad(to);
}

Status EmbeddedStream::load_segments(const std::vector<std::string>& names,
                                     const std::vector<FoundLog>& logs) {
  const auto cut = importing_.value_or(kNoCut);
  const auto numbers = numbers_of(names, ".seg");
  std::vector<LeafIndex> wanted;
  for (const auto number : numbers) {
    // Retention was interrupted after it had kept what proofs need; or an import before it was promised to
    // anybody.
    if (number >= first_ && number < cut) {
      wanted.push_back(number);
    } else if (!options_.read_only) {
      if (std::exchange(names_as_found_, false)) MAMORI_TRY(disk_.sync_folder(folder_));
      MAMORI_TRY(Segment::remove(folder_, number, disk_));
    }
  }
  if (!options_.read_only) {
    for (const auto& name : names)  // files that were never finished, and such whose segment is gone
      if (name.find(".new-") != name.npos) MAMORI_TRY(disk_.remove(folder_ / name));
    for (const auto* ending : {".filter", ".headers", ".blooms"})
      for (const auto number : numbers_of(names, ending))
        if (!std::binary_search(numbers.begin(), numbers.end(), number))
          MAMORI_TRY(remove_at_start(file_of(number, ending)));
  }
  const auto has_log = [&](LeafIndex first) {
    return std::any_of(logs.begin(), logs.end(),
                       [&](const FoundLog& found) { return found.number == first; });
  };
  for (const auto number : wanted) {
    const bool last = number == wanted.back();
    Segment::Opening opening;
    opening.use = options_.read_only ? Segment::Use::reads
                  : last             ? Segment::Use::grows
                                     : Segment::Use::closed;
    if (last) opening.cut = cut;
    opening.unfinished = [&](LeafIndex first) { return cut <= first || has_log(first); };
    const auto told = damage_.size();
    const auto segment =
        MAMORI_TRY(Segment::open({folder_, number, options_.segment}, opening, disk_, damage_));
    if (segment) MAMORI_TRY(add_segment(segment));
    for (auto i = told; last && i < damage_.size(); ++i)
      if (damage_[i].what == kTail) keep_places(damage_[i], logs);
  }
  // One that was put aside, with nothing behind it since, is not forgotten.
  for (const auto number : numbers_of(names, ".seg.damaged"))
    if (number >= size_)
      keep_places(damage_.emplace_back(
                      Damage{file_of(number, ".seg.damaged").string(), std::string(kTail), number, number}),
                  logs);
  return {};
}

Result<std::vector<EmbeddedStream::FoundLog>> EmbeddedStream::read_logs(
    const std::vector<std::string>& names) {
  std::vector<FoundLog> all;
  for (const auto number : numbers_of(names, ".log")) {
    auto log = read_log(file_of(number, ".log"), disk_);
    if (!log && log.error().kind != ErrorKind::corrupt) return log.error();
    // Made, but the power went before its first bytes were there.
    if (!log) log = LogFile{.first = number, .unread = true};
    const bool as_is = !log->version1 && !log->ragged && log->first == number;
    all.push_back({number, std::move(*log), as_is});
  }
  return all;
}

Status EmbeddedStream::load_logs(std::vector<FoundLog> all) {
  if (importing_) {  // nobody was told that what is in these is kept
    for (const auto& found : all)
      if (found.number >= *importing_ && !options_.read_only)
        MAMORI_TRY(remove_at_start(file_of(found.number, ".log")));
    std::erase_if(all, [cut = *importing_](const FoundLog& found) { return found.number >= cut; });
  }
  auto vouched = signed_;  // so many leaves were durable once, says somebody who wrote later
  for (const auto& found : all) vouched = std::max(vouched, found.log.durable);

  TreeSize moved = 0;  // by so many leaves what follows moves up
  std::vector<std::vector<Run>> runs_of(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& found = all[i];
    auto& runs = runs_of[i];
    const auto path = file_of(found.number, ".log").string();
    if (found.log.version1 && found.log.ragged)
      damage_.push_back({path, "archive.damage.log", found.number, found.number});
    for (auto& record : found.log.records) {
      auto first = record.first - moved;
      if (first + record.count <= size_) continue;  // its block was written
      if (first < size_) {
        damage_.push_back({path, "archive.damage.log", first, size_ - 1});
        continue;
      }
      if (first > size_ && vouched > size_ + moved) {
        damage_.push_back({path, "archive.damage.log", size_, first - 1});
        pad(first);
      } else if (first > size_) {
        // Nobody vouches for what is missing: a crash came before it was acknowledged, and before what
        // follows was.
        moved += first - size_;
        first = size_;
      }
      found.as_is = found.as_is && first == record.first;
      const auto follows = [&](const Run& run) {
        return run.records.back().first + run.records.back().count == first;
      };
      if (runs.empty() || !follows(runs.back())) runs.push_back({first, {}});
      record.first = first;
      auto decoded = MAMORI_TRY(decode_record(record.bytes));
      tree_.append(leaf_hashes(decoded));
      size_ += record.count;
      runs.back().records.push_back(std::move(record));
    }
    found.as_is = found.as_is && runs.size() == 1 && runs[0].first == found.number;
  }

  // What is in blocks leaves its log when the blocks are durable, and not before.
  const bool any_done =
      std::any_of(runs_of.begin(), runs_of.end(), [](const auto& runs) { return runs.empty(); });
  if (any_done && !options_.read_only) {
    for (const auto& segment : segments_) MAMORI_TRY(segment->sync());
    MAMORI_TRY(disk_.sync_folder(folder_));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& found = all[i];
    const auto old_path = file_of(found.number, ".log");
    if (runs_of[i].empty()) {
      if (options_.read_only) continue;
      // Bytes that were acknowledged once and cannot be read any more are left beside, for whoever can.
      const bool lost =
          found.log.unread && found.log.records.empty() && vouched > found.number && found.number >= size_;
      if (lost) {
        damage_.push_back({old_path.string(), "archive.damage.log", found.number, vouched - 1});
        auto aside = old_path;
        aside += ".damaged";
        MAMORI_TRY(disk_.rename(old_path, aside));
      } else {
        MAMORI_TRY(remove_at_start(old_path));
      }
      continue;
    }
    std::vector<std::shared_ptr<Part>> parts;
    std::string bytes = log_start(runs_of[i].front().first);
    for (auto& run : runs_of[i]) {
      auto part = std::make_shared<Part>();
      part->first = run.first;
      for (auto& record : run.records) {
        auto made = std::make_shared<Record>();
        made->bytes = std::move(record.bytes);
        // What is known to have been durable stays known.
        if (!found.as_is) seal_record(made->bytes, record.first, std::min<TreeSize>(record.first, vouched));
        if (!found.as_is) bytes += made->bytes;
        made->first = record.first;
        made->events = MAMORI_TRY(decode_record(made->bytes));
        made->leaves = leaf_hashes(made->events);
        for (const auto& event : made->events) part->bytes += event.raw.size();
        part->count += record.count;
        part->records.push_back(std::move(made));
      }
      part->synced = found.as_is ? 0 : part->count;
      parts.push_back(std::move(part));
    }
    if (!options_.read_only) {
      // One that says other places than its events have now is written anew, under its name first: whenever
      // the power goes, the events are there once. The file goes with its last part.
      const auto path = file_of(runs_of[i].front().first, ".log");
      if (!found.as_is) MAMORI_TRY(os::write_file(old_path, bytes, os::Visibility::owner_only, disk_));
      if (path != old_path) {
        MAMORI_TRY(disk_.rename(old_path, path));
        MAMORI_TRY(disk_.sync_folder(folder_));
      }
      parts.back()->log_path = path;
      parts.back()->log =
          MAMORI_TRY(os::GrowingFile::open(path, found.as_is ? found.log.good : bytes.size(), disk_));
      MAMORI_TRY(parts.back()->log->cut());
    }
    for (auto& part : parts) parts_.push_back(std::move(part));
  }
  return {};
}

// Heads one after the other, each followed by an empty line. What a crash left of the last one is written
// over by the next.
Status EmbeddedStream::load_heads() {
  const auto bytes = os::read_file(folder_ / "heads", kLargestHeads, disk_);
  if (!bytes) return bytes.error().kind == ErrorKind::not_found ? Status() : Status(bytes.error());
  const std::string_view text = *bytes;
  const auto start = origin_ + "\n";
  const auto next_start = [&](std::size_t from) {
    const auto found = text.find("\n" + start, from);
    return found == text.npos ? found : found + 1;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto after_text = text.find("\n\n", at);
    const auto end = after_text == text.npos ? text.npos : text.find("\n\n", after_text + 2);
    auto head = end == text.npos ? Result<Head>(Error{ErrorKind::invalid, "archive.head.bad"})
                                 : parse_head(text.substr(at, end + 1 - at));
    if (head) {
      heads_.push_back(std::move(*head));
      at = heads_end_ = end + 2;
      continue;
    }
    at = next_start(at);
    if (at == text.npos) break;
    damage_.push_back({(folder_ / "heads").string(), "archive.damage.head", 0, 0});
  }
  // One that is whole but cannot be read is no crash's work, which leaves zeros or an end that is missing: it
  // stays where it is.
  const auto rest = text.substr(static_cast<std::size_t>(heads_end_));
  const auto signature = rest.find("\n\n\xE2\x80\x94 ");
  const bool whole =
      rest.ends_with("\n\n") || (signature != rest.npos && rest.size() - signature >= kSignatureLine);
  if (whole && rest.find('\0') == rest.npos) {
    damage_.push_back({(folder_ / "heads").string(), "archive.damage.head", 0, 0});
    heads_end_ = text.size();
  }
  return {};
}

}  // namespace mamori::archive
