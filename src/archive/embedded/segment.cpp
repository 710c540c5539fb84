#include "archive/embedded/segment.h"

#include <fmt/format.h>

#include <cstring>

#include "archive/embedded/checksum.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kSealMagic = "MMSEALED";
constexpr std::size_t kSeal = 32;  // magic, size of the segment, number of blocks, check of all before
constexpr std::size_t kLargestHeaders = std::size_t{64} << 20;
// The segment itself goes last: while it is there, the others can be made again.
constexpr const char* kEndings[] = {".filter", ".blooms", ".headers", ".seg"};

std::filesystem::path file_of(const std::filesystem::path& folder, LeafIndex first, const char* ending) {
  return folder / fmt::format("{:020}{}", first, ending);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value;
  std::memcpy(&value, bytes.data() + at, 8);
  return value;
}

// The header at `at`, or none where there is no whole one.
Result<std::optional<Header>> header_at(const os::ReadFile& file, std::uint64_t at, std::uint64_t size) {
  if (at + kHeaderStart > size) return std::optional<Header>();
  const auto start = MAMORI_TRY(file.read(at, kHeaderStart));
  const auto length = header_length(start.view());
  if (!length || at + *length > size) return std::optional<Header>();
  auto parsed = parse_header(MAMORI_TRY(file.read(at, *length)).view(), at);
  if (!parsed || at + parsed->info.length > size) return std::optional<Header>();
  return std::optional(std::move(*parsed));
}

// The first whole header at or behind `at` whose leaves lie behind `least`.
Result<std::optional<Header>> next_header(const os::ReadFile& file, std::uint64_t at, std::uint64_t size,
                                          LeafIndex least) {
  constexpr std::size_t kWindow = std::size_t{1} << 20;
  constexpr std::string_view kMagic = "MMBLOCK1";
  while (at + kHeaderStart <= size) {
    const auto window =
        MAMORI_TRY(file.read(at, static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, size - at))));
    const auto bytes = window.view();
    for (auto hit = bytes.find(kMagic); hit != bytes.npos; hit = bytes.find(kMagic, hit + 1)) {
      auto header = MAMORI_TRY(header_at(file, at + hit, size));
      if (header && header->info.first >= least) return header;
    }
    if (bytes.size() < kWindow) break;
    at += bytes.size() - kMagic.size();
  }
  return std::optional<Header>();
}

// The copy of the header of the block that begins with leaf `first`; it counts only where the sections that
// it promises are there.
std::optional<Header> from_copy(std::string_view copy, const os::ReadFile& file, LeafIndex first,
                                std::uint64_t at, std::uint64_t size) {
  while (true) {
    const auto length = header_length(copy);
    if (!length || *length > copy.size()) return std::nullopt;
    auto parsed = parse_header(copy.substr(0, *length), at);
    copy.remove_prefix(*length);
    if (!parsed || parsed->info.first != first || at + parsed->info.length > size) continue;
    if (BlockReader(file, parsed->info).sections_whole()) return std::move(*parsed);
  }
}

// Up to which leaf the copy of the headers goes on, without a gap, behind leaf `first`.
LeafIndex end_in_copy(std::string_view copy, LeafIndex first) {
  for (auto length = header_length(copy); length && *length <= copy.size(); length = header_length(copy)) {
    if (const auto parsed = parse_header(copy.substr(0, *length), 0); parsed && parsed->info.first == first)
      first += parsed->info.count;
    copy.remove_prefix(*length);
  }
  return first;
}

}  // namespace

Segment::Segment(const Place& place, os::Disk& disk, bool writes)
    : place_(place), disk_(disk), writes_(writes) {
  open_filter_.emplace(path(".blooms"), writes, disk);
}

std::filesystem::path Segment::path(const char* ending) const {
  return file_of(place_.folder, place_.first, ending);
}

LeafIndex Segment::end() const {
  const auto all = blocks();
  return all->empty() ? place_.first : all->back()->info.first + all->back()->info.count;
}

bool Segment::full() const { return blocks()->size() >= place_.blocks; }

std::shared_ptr<const Blocks> Segment::blocks() const {
  const ReaderLock lock(mutex_);
  return blocks_;
}

void Segment::take(Header header) {
  auto all = std::make_shared<Blocks>(*blocks());
  all->push_back(std::make_shared<const Header>(std::move(header)));
  const WriterLock lock(mutex_);
  blocks_ = std::move(all);
}

Status Segment::remove(const std::filesystem::path& folder, LeafIndex first, os::Disk& disk) {
  for (const auto* ending : kEndings) MAMORI_TRY(disk.remove(file_of(folder, first, ending)));
  return disk.sync_folder(folder);
}

Result<std::shared_ptr<Segment>> Segment::make(const Place& place, os::Disk& disk) {
  std::shared_ptr<Segment> segment(new Segment(place, disk, true));
  // What an earlier try of the same name left goes, so that the name is made anew: one whose sync failed
  // never becomes durable.
  for (const auto* ending : kEndings) MAMORI_TRY(disk.remove(segment->path(ending)));
  segment->write_ = MAMORI_TRY(os::GrowingFile::open(segment->path(".seg"), 0, disk));
  segment->read_ = MAMORI_TRY(os::ReadFile::open(segment->path(".seg"), disk));
  MAMORI_TRY(disk.sync_folder(place.folder));
  return segment;
}

// The headers of a finished segment, from their own file; false where it is not that of this segment.
bool Segment::open_sealed(std::uint64_t size) {
  const auto file = os::read_file(path(".headers"), kLargestHeaders, disk_);
  if (!file || file->size() < kSeal) return false;
  std::string_view bytes = *file;
  const auto seal = bytes.substr(bytes.size() - kSeal);
  if (!seal.starts_with(kSealMagic) || number_at(seal, 24) != checksum(bytes.substr(0, bytes.size() - 8)))
    return false;
  if (number_at(seal, 8) != size) return false;
  bytes.remove_suffix(kSeal);
  auto all = std::make_shared<Blocks>();
  std::vector<BlockHashes> hashes;
  std::uint64_t at = 0;
  auto next = place_.first;
  while (!bytes.empty()) {
    auto header = parse_header(bytes, at);
    if (!header || header->info.first < next) return false;
    bytes.remove_prefix(header->info.header_size);
    at += header->info.length;
    next = header->info.first + header->info.count;
    hashes.push_back(std::exchange(header->hashes, {}));
    all->push_back(std::make_shared<const Header>(std::move(*header)));
  }
  if (all->size() != number_at(seal, 16) || all->empty() || all->size() > kSegmentBlocks || at > size)
    return false;
  // The last one, held against the segment: another segment's copy would not fit.
  const auto& last = all->back()->info;
  const auto start = read_->read(last.header_at, kHeaderStart);
  if (!start || number_at(start->view(), 16) != last.check) return false;
  blocks_ = std::move(all);
  hashes_ = std::move(hashes);
  return true;
}

// From block to block, as the segment says itself. Where the last one ends.
Result<std::uint64_t> Segment::walk(std::uint64_t size, const Opening& opening, std::vector<Damage>& damage) {
  const auto cut = opening.cut;
  const auto file = path(".seg").string();
  std::optional<std::string> copy;
  std::uint64_t at = 0;
  while (blocks()->size() < kSegmentBlocks) {
    const auto next = end();
    auto header = MAMORI_TRY(header_at(*read_, at, size));
    if (!header || header->info.first != next) {
      if (!copy) copy = MAMORI_TRY(copy_of_headers());
      header = from_copy(*copy, *read_, next, at, size);
    }
    if (!header) {
      // Damaged in both places: the next block that begins somewhere behind is looked for, so that only this
      // one is lost.
      header = MAMORI_TRY(next_header(*read_, at + 1, size, next));
      if (!header || header->info.first >= cut) break;
      damage.push_back({file, "archive.damage.header", next, header->info.first - 1});
      at = header->info.header_at;
    }
    if (header->info.first >= cut) break;
    // A crash may have left the header of a block and not the rest.
    if (opening.unfinished(header->info.first)) {
      const auto whole = BlockReader(*read_, header->info).sections_whole();
      if (!whole && whole.error().kind != ErrorKind::corrupt) return whole.error();
      // No block is written before the one in front of it is durable: with a finished one behind it, it is
      // damaged.
      const auto behind =
          whole ? std::nullopt : MAMORI_TRY(header_at(*read_, at + header->info.length, size));
      const bool damaged = behind && behind->info.first == header->info.first + header->info.count &&
                           !opening.unfinished(behind->info.first);
      if (!whole && !damaged) break;
    }
    at += header->info.length;
    hashes_.push_back(std::exchange(header->hashes, {}));
    take(std::move(*header));
  }
  return at;
}

Result<std::shared_ptr<Segment>> Segment::open(const Place& place, const Opening& opening, os::Disk& disk,
                                               std::vector<Damage>& damage) {
  const auto use = opening.use;
  std::shared_ptr<Segment> segment(new Segment(place, disk, use != Use::reads));
  segment->read_ = MAMORI_TRY(os::ReadFile::open(segment->path(".seg"), disk));
  const auto size = MAMORI_TRY(segment->read_->size());
  const bool cuts = opening.cut != Opening().cut;
  if (!cuts && segment->open_sealed(size)) {
    MAMORI_TRY(segment->load_filter(use, damage));
    return segment;
  }
  const auto at = MAMORI_TRY(segment->walk(size, opening, damage));
  const bool torn = at < size && use != Use::closed && (cuts || opening.unfinished(segment->end()));
  if (at < size && !torn) {
    const auto known = end_in_copy(MAMORI_TRY(segment->copy_of_headers()), segment->end());
    damage.push_back({segment->path(".seg").string(), "archive.damage.tail", segment->end(),
                      std::max(known, segment->end() + 1) - 1});
  }
  if (at < size && !torn && use == Use::grows) {
    // What nobody knows to be unfinished stays as it is: what is to come goes into a segment of its own.
    if (segment->blocks()->empty()) {
      auto aside = segment->path(".seg");
      aside += ".damaged";
      MAMORI_TRY(disk.rename(segment->path(".seg"), aside));
      return std::shared_ptr<Segment>();
    }
    MAMORI_TRY(segment->load_filter(Use::reads, damage));
    return segment;
  }
  if (use != Use::reads) {
    const auto copy = MAMORI_TRY(segment->copy_of_headers());
    // What was made of blocks that go, or of an earlier state: first it, for good, then they.
    if (!segment->full()) MAMORI_TRY(disk.remove(segment->path(".filter")));
    if (cuts) MAMORI_TRY(disk.sync_folder(place.folder));
    segment->write_ = MAMORI_TRY(os::GrowingFile::open(segment->path(".seg"), at, disk));
    if (torn) MAMORI_TRY(segment->write_->cut());
    segment->mend_copy(copy);
  }
  MAMORI_TRY(segment->load_filter(use, damage));
  return segment;
}

Result<std::string> Segment::copy_of_headers() const {
  auto bytes = os::read_file(path(".headers"), kLargestHeaders, disk_);
  if (!bytes && bytes.error().kind == ErrorKind::not_found) return std::string();
  return bytes;
}

// The copy goes on behind what it has of the blocks; what it lacks is added.
void Segment::mend_copy(std::string_view copy) {
  std::string lacking;
  headers_end_ = 0;
  const auto all = blocks();
  for (const auto& block : *all) {
    const auto& info = block->info;
    const auto there =
        lacking.empty() ? copy.substr(static_cast<std::size_t>(headers_end_)) : std::string_view();
    if (there.size() >= info.header_size && number_at(there, 16) == info.check &&
        parse_header(there.substr(0, info.header_size), 0)) {
      headers_end_ += info.header_size;
      continue;
    }
    if (const auto bytes = read_->read(info.header_at, info.header_size)) lacking += bytes->view();
  }
  auto file = os::GrowingFile::open(path(".headers"), headers_end_, disk_);
  if (file && (lacking.empty() || file->append(lacking))) headers_end_ = file->size();
}

// The turned-round filter of a finished segment, the single ones of a growing one; what is missing is made
// again from the text.
Status Segment::load_filter(Use use, std::vector<Damage>& damage) {
  const auto all = blocks();
  if (!write_ || use == Use::closed || full()) {
    if (auto opened = FilterFile::open(path(".filter"), identity(), disk_)) {
      filter_ = std::move(*opened);
      open_filter_.reset();
      if (write_) (void)finish().has_value();
      return {};
    }
  }
  std::vector<std::uint64_t> checks;
  for (const auto& block : *all) checks.push_back(block->info.check);
  open_filter_->load(checks);
  while (open_filter_->blocks() < all->size()) {
    const auto& info = (*all)[open_filter_->blocks()]->info;
    Arena arena;
    const auto events = BlockReader(*read_, info).events(arena);
    if (!events) {
      damage.push_back({path(".seg").string(), events.error().code, info.first, info.first + info.count - 1});
      open_filter_->add(open_filter_->anything());
      continue;
    }
    detail::WordSet set;
    detail::take_apart(*events, set);
    for (const auto& event : *events)
      for (const auto field : kFields)
        if (!event[field].empty()) set.add(hash_field(field, event[field]));
    open_filter_->add(open_filter_->make(set.words(), info.check));
  }
  if (use == Use::reads || all->empty()) return {};
  if (!write_) write_ = MAMORI_TRY(os::GrowingFile::open(path(".seg"), MAMORI_TRY(read_->size()), disk_));
  if (use == Use::closed || full()) (void)finish().has_value();  // where it fails it goes on as it is
  return {};
}

std::uint64_t Segment::identity() const {
  std::string checks;
  for (const auto& block : *blocks()) checks.append(reinterpret_cast<const char*>(&block->info.check), 8);
  return checksum(checks, place_.first);
}

Status Segment::sync() {
  if (!unsynced()) return {};
  if (suspect_) {
    for (const auto& block : *blocks())
      if (block->info.header_at >= synced_) MAMORI_TRY(BlockReader(*read_, block->info).whole());
    MAMORI_TRY(write_->again(synced_));
    suspect_ = false;
  }
  if (auto synced = write_->sync(); !synced) {
    suspect_ = true;
    return synced;
  }
  synced_ = write_->size();
  return {};
}

Status Segment::append(BuiltBlock& built, Durable durable) {
  MAMORI_ASSERT(grows());
  const auto before = write_->size();
  const auto header_bytes = make_header(built, end(), before);
  MAMORI_TRY(write_->append(header_bytes + built.sections));
  if (durable == Durable::now) {
    if (auto synced = sync(); !synced) {
      write_->take_back(before);
      return synced;
    }
  }
  // It is in. What follows is made of it, and a failure there loses nothing.
  auto header = MAMORI_TRY(parse_header(header_bytes, before));
  header.hashes = {};  // the tree has had them since the events came
  // Who writes is the only one who changes the filter, and beside find(); so its lock for reading is enough,
  // and holds nobody up.
  auto column = [&] {
    const ReaderLock lock(mutex_);
    return open_filter_->make(built.words, header.info.check);
  }();
  auto all = std::make_shared<Blocks>(*blocks());
  all->push_back(std::make_shared<const Header>(std::move(header)));
  {
    const WriterLock lock(mutex_);
    open_filter_->add(std::move(column));
    blocks_ = std::move(all);
  }
  if (auto copy = os::GrowingFile::open(path(".headers"), headers_end_, disk_);
      copy && copy->append(header_bytes))
    headers_end_ = copy->size();
  return {};
}

std::string Segment::sealed_headers() const {
  std::string out;
  const auto all = blocks();
  for (const auto& block : *all) {
    const auto bytes = read_->read(block->info.header_at, block->info.header_size);
    if (!bytes || number_at(bytes->view(), 16) != block->info.check) return {};
    out += bytes->view();
  }
  const std::uint64_t numbers[2] = {write_->size(), all->size()};
  out += kSealMagic;
  out.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  const auto check = checksum(out);
  out.append(reinterpret_cast<const char*>(&check), sizeof check);
  return out;
}

Status Segment::finish() {
  if (!write_ || blocks()->empty()) return {};
  MAMORI_TRY(sync());
  const auto turned = [&]() -> Result<std::optional<Filter>> {
    const ReaderLock lock(mutex_);
    if (!open_filter_) return std::optional<Filter>();
    return std::optional(MAMORI_TRY(open_filter_->turned()));
  };
  if (const auto columns = MAMORI_TRY(turned())) {
    const auto bytes = filter_file(*columns, identity());
    MAMORI_TRY(os::write_file(path(".filter"), bytes, os::Visibility::owner_only, disk_));
    auto opened = MAMORI_TRY(FilterFile::open(path(".filter"), identity(), disk_));
    const WriterLock lock(mutex_);
    filter_ = std::move(opened);
    open_filter_.reset();
  }
  // Where a header is damaged the copy stays as it is: it may be what mends it.
  if (const auto headers = sealed_headers(); !headers.empty())
    MAMORI_TRY(os::write_file(path(".headers"), headers, os::Visibility::owner_only, disk_));
  write_.reset();
  return disk_.remove(path(".blooms"));
}

Result<BlockSet> Segment::find(WordHash word) const {
  const ReaderLock lock(mutex_);
  return filter_ ? filter_->find(word) : open_filter_->find(word);
}

void Segment::pin() const {
  const ReaderLock lock(mutex_);
  read_->pin();
  if (filter_) filter_->pin();
}

std::uint64_t Segment::bytes_on_disk() const {
  std::uint64_t total = 0;
  for (const auto* ending : kEndings) total += disk_.size_of(path(ending)).value_or(0);
  return total;
}

Status Segment::check_filter() const {
  const ReaderLock lock(mutex_);
  if (filter_) return filter_->check();
  return {};
}

}  // namespace mamori::archive
