#include "archive/embedded/segment.h"

#include <fmt/format.h>

#include <cstring>

namespace mamori::archive {
namespace {

std::filesystem::path base_of(const std::filesystem::path& folder, LeafIndex first) { return folder / fmt::format("{:020}", first); }

// A line of .blooms: length of the bits, their check, the bits.
std::string bloom_line(std::string_view bits) {
  const std::uint64_t numbers[2] = {bits.size(), checksum(bits)};
  std::string out(reinterpret_cast<const char*>(numbers), sizeof numbers);
  return out.append(bits);
}

// The header at `at`, or none where there is no whole one.
Result<std::shared_ptr<Header>> header_at(const ReadFile& file, std::uint64_t at, std::uint64_t size) {
  if (at + kHeaderStart > size) return std::shared_ptr<Header>();
  const auto start = MAMORI_TRY(file.read(at, kHeaderStart));
  const auto length = header_length(start.view());
  if (!length || at + *length > size) return std::shared_ptr<Header>();
  auto parsed = parse_header(MAMORI_TRY(file.read(at, *length)).view(), at);
  if (!parsed || at + parsed->info.length > size) return std::shared_ptr<Header>();
  return std::make_shared<Header>(std::move(*parsed));
}

// The first whole header at or behind `at` whose leaves lie behind `least`.
Result<std::pair<std::uint64_t, std::shared_ptr<Header>>> next_header(const ReadFile& file, std::uint64_t at, std::uint64_t size, LeafIndex least) {
  constexpr std::size_t kWindow = std::size_t{1} << 20;
  constexpr std::string_view kMagic = "MMBLOCK1";
  while (at + kHeaderStart <= size) {
    const auto window = MAMORI_TRY(file.read(at, std::min<std::uint64_t>(kWindow, size - at)));
    const auto bytes = window.view();
    for (auto hit = bytes.find(kMagic); hit != bytes.npos; hit = bytes.find(kMagic, hit + 1)) {
      auto header = MAMORI_TRY(header_at(file, at + hit, size));
      if (header && header->info.first >= least) return std::pair(at + hit, std::move(header));
    }
    if (bytes.size() < kWindow) break;
    at += bytes.size() - kMagic.size();
  }
  return std::pair(size, std::shared_ptr<Header>());
}

}  // namespace

std::filesystem::path Segment::path(const char* ending) const {
  auto out = base_;
  out += ending;
  return out;
}

LeafIndex Segment::end() const {
  const std::shared_lock lock(mutex_);
  return blocks_.empty() ? first_ : blocks_.back()->info.first + blocks_.back()->info.count;
}

bool Segment::full() const {
  const std::shared_lock lock(mutex_);
  return blocks_.size() == kSegmentBlocks;
}

std::vector<std::shared_ptr<const Header>> Segment::blocks() const {
  const std::shared_lock lock(mutex_);
  return {blocks_.begin(), blocks_.end()};
}

void Segment::forget_hashes() {
  const std::unique_lock lock(mutex_);
  for (auto& block : blocks_) block->hashes = {};
}

Result<std::shared_ptr<Segment>> Segment::make(const std::filesystem::path& folder, LeafIndex first, Disk& disk) {
  std::shared_ptr<Segment> segment(new Segment(base_of(folder, first), first, disk));
  segment->write_.emplace(MAMORI_TRY(GrowingFile::open(segment->path(".seg"), 0, disk)));
  segment->headers_.emplace(MAMORI_TRY(GrowingFile::open(segment->path(".headers"), 0, disk)));
  segment->blooms_.emplace(MAMORI_TRY(GrowingFile::open(segment->path(".blooms"), 0, disk)));
  segment->read_.emplace(MAMORI_TRY(ReadFile::open(segment->path(".seg"))));
  MAMORI_TRY(sync_folder(folder));
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::open(const std::filesystem::path& folder, LeafIndex first, Use use, bool last, Disk& disk, std::vector<Damage>& damage) {
  std::shared_ptr<Segment> segment(new Segment(base_of(folder, first), first, disk));
  const auto file = segment->path(".seg").string();
  segment->read_.emplace(MAMORI_TRY(ReadFile::open(segment->path(".seg"))));
  const auto size = MAMORI_TRY(segment->read_->size());

  // Headers from the copy as far as it goes, then from the segment itself.
  std::string copy;
  if (auto bytes = read_file(segment->path(".headers"), std::size_t{64} << 20)) copy = std::move(*bytes);
  std::string_view rest = copy;
  std::uint64_t at = 0, in_copy = 0;
  while (segment->blocks_.size() < kSegmentBlocks) {
    std::shared_ptr<Header> header;
    if (!rest.empty()) {
      const auto length = header_length(rest);
      auto parsed = length && *length <= rest.size() ? parse_header(rest.substr(0, *length), at) : Result<Header>(Error{ErrorKind::corrupt, "archive.block.damaged"});
      if (parsed) {
        header = std::make_shared<Header>(std::move(*parsed));
        rest.remove_prefix(*length);
        in_copy += *length;
      } else {
        rest = {};
      }
    }
    if (!header) header = MAMORI_TRY(header_at(*segment->read_, at, size));
    if (!header || header->info.first != segment->end() || at + header->info.length > size) {
      // Damaged in both places: the next block that begins somewhere behind is looked for, so that only this one is lost.
      auto found = MAMORI_TRY(next_header(*segment->read_, at + 1, size, segment->end()));
      if (!found.second) break;
      damage.push_back({file, "archive.damage.header", segment->end(), found.second->info.first - 1});
      at = found.first;
      header = std::move(found.second);
      rest = {};
    }
    at += header->info.length;
    segment->blocks_.push_back(std::move(header));
  }
  if (at < size && !last) damage.push_back({file, "archive.damage.tail", segment->end(), segment->end()});
  if (!segment->full() && use == Use::grows) {
    segment->write_.emplace(MAMORI_TRY(GrowingFile::open(segment->path(".seg"), at, disk)));
    segment->headers_.emplace(MAMORI_TRY(GrowingFile::open(segment->path(".headers"), in_copy, disk)));
    // Headers that the copy lacks.
    std::uint64_t covered = 0;
    for (std::string_view in = std::string_view(copy).substr(0, in_copy); !in.empty(); ++covered) in.remove_prefix(MAMORI_TRY(header_length(in)));
    for (auto i = covered; i < segment->blocks_.size(); ++i) {
      const auto& info = segment->blocks_[i]->info;
      MAMORI_TRY(segment->headers_->append(MAMORI_TRY(segment->read_->read(info.header_at, info.header_size)).view()));
    }
  }
  MAMORI_TRY(segment->load_filter(use, damage));
  return segment;
}

// The turned-round filter of a full segment, the single ones of a growing one; what is missing is made again from the text.
Status Segment::load_filter(Use use, std::vector<Damage>& damage) {
  if (full()) {
    auto opened = FilterFile::open(path(".filter"));
    if (opened) {
      filter_.emplace(std::move(*opened));
      return {};
    }
  }
  if (blocks_.empty()) {
    if (write_) blooms_.emplace(MAMORI_TRY(GrowingFile::open(path(".blooms"), 0, disk_)));
    return {};
  }
  std::string kept;
  if (auto bytes = read_file(path(".blooms"), std::size_t{2} << 30)) kept = std::move(*bytes);
  std::string_view rest = kept;
  std::uint64_t good = 0;
  std::size_t block = 0;
  for (; block < blocks_.size(); ++block) {
    std::uint64_t numbers[2];
    if (rest.size() < sizeof numbers) break;
    std::memcpy(numbers, rest.data(), sizeof numbers);
    if (numbers[0] > rest.size() - sizeof numbers || numbers[0] == 0) break;
    const auto bits = rest.substr(sizeof numbers, numbers[0]);
    if (checksum(bits) != numbers[1] || (open_filter_ && bits.size() * 8 != open_filter_->positions())) break;
    if (!open_filter_) open_filter_.emplace(bits.size() * 8);
    open_filter_->set_column(block, bits);
    rest.remove_prefix(sizeof numbers + bits.size());
    good += sizeof numbers + bits.size();
  }
  if (write_ || (full() && use == Use::grows)) blooms_.emplace(MAMORI_TRY(GrowingFile::open(path(".blooms"), good, disk_)));
  for (; block < blocks_.size(); ++block) {
    Arena arena;
    const auto events = BlockReader(*read_, blocks_[block]->info).events(arena);
    std::vector<WordHash> words;
    if (events) {
      detail::WordSet set;
      detail::take_apart(*events, set);
      for (const auto& event : *events)
        for (const auto field : kFields)
          if (!event[field].empty()) set.add(hash_field(field, event[field]));
      words = set.words();
    } else {
      damage.push_back({path(".seg").string(), events.error().code, blocks_[block]->info.first, blocks_[block]->info.first + blocks_[block]->info.count - 1});
    }
    if (!open_filter_) open_filter_.emplace(Filter::positions_for(std::max<std::size_t>(words.size(), 64)));
    open_filter_->add(block, words);
    if (blooms_) MAMORI_TRY(blooms_->append(bloom_line(open_filter_->column(block))));
  }
  if (full() && use == Use::grows) return finish();
  return {};
}

Status Segment::sync() {
  if (!unsynced_ || !write_) return {};
  MAMORI_TRY(write_->sync());
  unsynced_ = false;
  return {};
}

Status Segment::append(BuiltBlock& built, Durable durable) {
  MAMORI_ASSERT(!full() && write_);
  const auto header_bytes = make_header(built, end(), write_->size());
  const auto before = write_->size();
  auto written = write_->append(header_bytes + built.sections);
  unsynced_ = true;
  if (written && durable == Durable::now) written = sync();
  if (!written) {
    // The next try starts where this one did.
    auto again = GrowingFile::open(path(".seg"), before, disk_);
    if (again) write_.emplace(std::move(*again));
    return written;
  }
  auto header = std::make_shared<Header>(MAMORI_TRY(parse_header(header_bytes, before)));
  {
    const std::unique_lock lock(mutex_);
    if (!open_filter_) open_filter_.emplace(Filter::positions_for(built.words.size() + built.words.size() / 8));
    open_filter_->add(blocks_.size(), built.words);
    header->hashes = {};  // the tree has had them since the events came
    blocks_.push_back(std::move(header));
  }
  // What follows can be made again from the block: no sync, and a failure loses nothing.
  if (headers_) (void)headers_->append(header_bytes).has_value();
  if (blooms_) (void)blooms_->append(bloom_line(open_filter_->column(blocks_.size() - 1))).has_value();
  if (full()) return finish();
  return {};
}

// The filter goes to its file; the segment is never written again.
Status Segment::finish() {
  MAMORI_TRY(sync());
  const auto written = write_file(path(".filter"), filter_file(*open_filter_), FileMode::owner_only);
  if (!written) return {};  // made at the next start; until then the filter stays in memory
  auto opened = FilterFile::open(path(".filter"));
  if (!opened) return {};
  if (headers_) MAMORI_TRY(headers_->sync());
  {
    const std::unique_lock lock(mutex_);
    filter_.emplace(std::move(*opened));
    open_filter_.reset();
  }
  blooms_.reset();
  headers_.reset();
  write_.reset();
  return remove_file(path(".blooms"));
}

Result<BlockSet> Segment::find(WordHash word) const {
  const std::shared_lock lock(mutex_);
  if (filter_) return filter_->find(word);
  if (open_filter_) return open_filter_->find(word);
  return ~BlockSet{0};
}

std::uint64_t Segment::bytes_on_disk() const {
  std::uint64_t total = 0;
  for (const auto* ending : {".seg", ".headers", ".blooms", ".filter"}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(path(ending), missing);
    if (!missing) total += size;
  }
  return total;
}

Status Segment::remove() {
  for (const auto* ending : {".filter", ".blooms", ".headers", ".seg"}) MAMORI_TRY(remove_file(path(ending)));
  return sync_folder(base_.parent_path());
}

Status Segment::check_filter() const {
  const std::shared_lock lock(mutex_);
  if (filter_) return filter_->check();
  return {};
}

}  // namespace mamori::archive
