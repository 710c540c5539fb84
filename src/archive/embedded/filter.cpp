#include "archive/embedded/filter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "archive/embedded/checksum.h"
#include "archive/mix.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kMagic = "MMFILTR2", kMagic1 = "MMFILTR1";
constexpr std::size_t kProbes = 6, kBitsPerWord = 14, kPage = 4096;
constexpr std::size_t
    kStart = 32,
    kStart1 = 24;  // magic, positions, number of pages, what it is of; version 1 does not say that
constexpr std::size_t kMostPositions = std::size_t{1} << 30;

// The positions of a word (Kirsch and Mitzenmacher: two hashes make all).
std::array<std::size_t, kProbes> places(WordHash word, std::size_t positions) {
  auto a = word * 0x9E3779B97F4A7C15ull;
  const auto b = (std::rotl(word, 32) * 0xD6E8FEB86659FD93ull) | 1;
  std::array<std::size_t, kProbes> out;
  for (auto& place : out) {
    place = detail::below(a, positions);
    a += b;
  }
  return out;
}

}  // namespace

std::size_t Filter::positions_for(std::size_t words) {
  return std::clamp<std::size_t>((words * kBitsPerWord + 511) / 512 * 512, 512, kMostPositions);
}

void Filter::add(std::size_t block, std::span<const WordHash> words) {
  MAMORI_ASSERT(block < kSegmentBlocks);
  for (const auto word : words)
    for (const auto place : places(word, rows_.size())) rows_[place] |= BlockSet{1} << block;
}

BlockSet Filter::find(WordHash word) const {
  auto out = ~BlockSet{0};
  for (const auto place : places(word, rows_.size())) out &= rows_[place];
  return out;
}

void Filter::set_column(std::size_t block, std::string_view bits) {
  for (std::size_t i = 0; i < rows_.size() && i / 8 < bits.size(); ++i)
    if ((bits[i / 8] >> (i % 8) & 1) != 0) rows_[i] |= BlockSet{1} << block;
}

std::string Filter::to_bytes() const {
  return {reinterpret_cast<const char*>(rows_.data()), rows_.size() * sizeof(BlockSet)};
}

void OpenFilter::load(std::span<const std::uint64_t> checks) {
  columns_.clear();
  positions_ = 0;
  end_ = 0;
  read_.reset();
  auto file = os::ReadFile::open(path_, disk_);
  const auto size = file ? file->size() : Result<std::uint64_t>(0);
  if (!file || !size) return;
  for (const auto check : checks) {
    std::uint64_t numbers[2];
    if (end_ + sizeof numbers > *size || !file->read(end_, reinterpret_cast<char*>(numbers), sizeof numbers))
      break;
    const auto at = end_ + sizeof numbers;
    if (numbers[0] == 0 || numbers[0] > *size - at || numbers[0] > kMostPositions / 8) break;
    if (positions_ != 0 && numbers[0] * 8 != positions_) break;
    const auto bits = file->read(at, numbers[0]);
    if (!bits || checksum(bits->view(), check) != numbers[1]) break;
    positions_ = numbers[0] * 8;
    columns_.push_back({positions_, at, {}});
    end_ = at + numbers[0];
  }
  read_ = std::move(*file);
}

OpenFilter::Column OpenFilter::make(std::span<const WordHash> words, std::uint64_t check) {
  Column out;
  out.positions = positions_ != 0
                      ? positions_
                      : Filter::positions_for(std::max<std::size_t>(words.size() + words.size() / 8, 64));
  out.bits.assign(out.positions / 8, '\0');
  for (const auto word : words)
    for (const auto place : places(word, out.positions))
      out.bits[place / 8] = static_cast<char>(out.bits[place / 8] | 1 << (place % 8));
  // A line behind one that is missing would be at a wrong place.
  if (!writes_ || (!columns_.empty() && columns_.back().at == 0)) return out;
  const std::uint64_t numbers[2] = {out.bits.size(), checksum(out.bits, check)};
  auto file = os::GrowingFile::open(path_, end_, disk_);
  if (!file || !file->append(std::string(reinterpret_cast<const char*>(numbers), sizeof numbers) + out.bits))
    return out;
  out.at = end_ + sizeof numbers;
  end_ = file->size();
  return out;
}

OpenFilter::Column OpenFilter::anything() const {
  Column out;
  out.positions = positions_ != 0 ? positions_ : Filter::positions_for(64);
  out.bits.assign(out.positions / 8, '\xFF');
  return out;
}

void OpenFilter::add(Column column) {
  positions_ = column.positions;
  if (column.at != 0 && !read_) {
    auto file = os::ReadFile::open(path_, disk_);
    if (file)
      read_ = std::move(*file);
    else
      column.at = 0;
  }
  if (column.at != 0) column.bits.clear();
  column.bits.shrink_to_fit();
  columns_.push_back(std::move(column));
}

Result<BlockSet> OpenFilter::find(WordHash word) const {
  BlockSet out = 0;
  if (positions_ == 0) return out;
  const auto all = places(word, positions_);
  for (std::size_t block = 0; block < columns_.size(); ++block) {
    const auto& column = columns_[block];
    bool may = true;
    for (std::size_t i = 0; may && i < all.size(); ++i) {
      char byte = 0;
      if (column.at == 0)
        byte = column.bits[all[i] / 8];
      else if (!read_->read(column.at + all[i] / 8, &byte, 1))
        break;  // what cannot be read may hold it
      may = (byte >> (all[i] % 8) & 1) != 0;
    }
    if (may) out |= BlockSet{1} << block;
  }
  return out;
}

Result<Filter> OpenFilter::turned() const {
  Filter out(positions_);
  for (std::size_t block = 0; block < columns_.size(); ++block) {
    const auto& column = columns_[block];
    if (column.at == 0)
      out.set_column(block, column.bits);
    else
      out.set_column(block, MAMORI_TRY(read_->read(column.at, positions_ / 8)).view());
  }
  return out;
}

std::string filter_file(const Filter& filter, std::uint64_t of) {
  const auto rows = filter.to_bytes();
  std::string out(kMagic);
  const std::uint64_t numbers[3] = {filter.positions(), (rows.size() + kPage - 1) / kPage, of};
  out.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  for (std::size_t at = 0; at < rows.size(); at += kPage) {
    const auto check = static_cast<std::uint32_t>(checksum(std::string_view(rows).substr(at, kPage)));
    out.append(reinterpret_cast<const char*>(&check), 4);
  }
  const auto check = checksum(out);
  out.append(reinterpret_cast<const char*>(&check), 8);
  out.resize((out.size() + kPage - 1) / kPage * kPage);
  return out + rows;
}

Result<FilterFile> FilterFile::open(const std::filesystem::path& path, std::uint64_t of, os::Disk& disk) {
  auto file = MAMORI_TRY(os::ReadFile::open(path, disk));
  const Error damaged{ErrorKind::corrupt, "archive.filter.damaged", {{"file", path.string()}}};
  const auto start = file.read(0, kStart);
  if (!start) return damaged;
  const bool version1 = start->view().starts_with(kMagic1);
  if (!version1 && !start->view().starts_with(kMagic)) return damaged;
  std::uint64_t numbers[3];
  std::memcpy(numbers, start->view().data() + 8, sizeof numbers);
  if (numbers[0] == 0 || numbers[0] > kMostPositions || numbers[1] != (numbers[0] * 8 + kPage - 1) / kPage)
    return damaged;
  if (!version1 && numbers[2] != of) return damaged;
  const auto begin = version1 ? kStart1 : kStart;
  const auto read = file.read(0, begin + numbers[1] * 4 + 8);
  if (!read) return damaged;
  const auto head = read->view();
  std::uint64_t check = 0;
  std::memcpy(&check, head.data() + head.size() - 8, 8);
  if (checksum(head.substr(0, head.size() - 8)) != check) return damaged;
  std::vector<std::uint32_t> checks(numbers[1]);
  std::memcpy(checks.data(), head.data() + begin, checks.size() * 4);
  return FilterFile(std::move(file), (head.size() + kPage - 1) / kPage * kPage, numbers[0],
                    std::move(checks));
}

Result<os::Bytes> FilterFile::page(std::size_t number) const {
  auto bytes =
      MAMORI_TRY(file_.read(start_ + number * kPage, std::min(kPage, positions_ * 8 - number * kPage)));
  if (static_cast<std::uint32_t>(checksum(bytes.view())) != checks_[number])
    return Error{ErrorKind::corrupt, "archive.filter.damaged", {{"file", file_.path().string()}}};
  return bytes;
}

Result<BlockSet> FilterFile::find(WordHash word) const {
  auto out = ~BlockSet{0};
  for (const auto place : places(word, positions_)) {
    const auto bytes = page(place * 8 / kPage);
    if (!bytes) {
      if (bytes.error().kind == ErrorKind::corrupt) continue;
      return bytes.error();
    }
    BlockSet row;
    std::memcpy(&row, bytes->view().data() + place * 8 % kPage, 8);
    out &= row;
    if (out == 0) break;
  }
  return out;
}

Status FilterFile::check() const {
  for (std::size_t i = 0; i < checks_.size(); ++i) MAMORI_TRY(page(i));
  return {};
}

}  // namespace mamori::archive
