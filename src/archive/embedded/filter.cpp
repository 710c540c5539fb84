#include "archive/embedded/filter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "archive/mix.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kMagic = "MMFILTR1";
constexpr std::size_t kProbes = 6, kBitsPerWord = 14, kPage = 4096;
constexpr std::size_t kStart = 24;  // magic, positions, number of pages
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

std::size_t Filter::positions_for(std::size_t words) { return std::clamp<std::size_t>((words * kBitsPerWord + 511) / 512 * 512, 512, kMostPositions); }

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

std::string Filter::column(std::size_t block) const {
  std::string bits((rows_.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if ((rows_[i] >> block & 1) != 0) bits[i / 8] = static_cast<char>(bits[i / 8] | 1 << (i % 8));
  return bits;
}

void Filter::set_column(std::size_t block, std::string_view bits) {
  for (std::size_t i = 0; i < rows_.size() && i / 8 < bits.size(); ++i)
    if ((bits[i / 8] >> (i % 8) & 1) != 0) rows_[i] |= BlockSet{1} << block;
}

std::string Filter::to_bytes() const { return {reinterpret_cast<const char*>(rows_.data()), rows_.size() * sizeof(BlockSet)}; }

std::string filter_file(const Filter& filter) {
  const auto rows = filter.to_bytes();
  std::string out(kMagic);
  const std::uint64_t numbers[2] = {filter.positions(), (rows.size() + kPage - 1) / kPage};
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

Result<FilterFile> FilterFile::open(const std::filesystem::path& path) {
  auto file = MAMORI_TRY(ReadFile::open(path));
  const Error damaged{ErrorKind::corrupt, "archive.filter.damaged", {{"file", path.string()}}};
  const auto start = file.read(0, kStart);
  if (!start || !start->view().starts_with(kMagic)) return damaged;
  std::uint64_t numbers[2];
  std::memcpy(numbers, start->view().data() + 8, sizeof numbers);
  if (numbers[0] == 0 || numbers[0] > kMostPositions || numbers[1] != (numbers[0] * 8 + kPage - 1) / kPage) return damaged;
  const auto read = file.read(0, kStart + numbers[1] * 4 + 8);
  if (!read) return damaged;
  const auto head = read->view();
  std::uint64_t check = 0;
  std::memcpy(&check, head.data() + head.size() - 8, 8);
  if (checksum(head.substr(0, head.size() - 8)) != check) return damaged;
  std::vector<std::uint32_t> checks(numbers[1]);
  std::memcpy(checks.data(), head.data() + kStart, checks.size() * 4);
  return FilterFile(std::move(file), numbers[0], std::move(checks));
}

Result<Bytes> FilterFile::page(std::size_t number) const {
  const auto start = (kStart + checks_.size() * 4 + 8 + kPage - 1) / kPage * kPage;
  auto bytes = MAMORI_TRY(file_.read(start + number * kPage, std::min(kPage, positions_ * 8 - number * kPage)));
  if (static_cast<std::uint32_t>(checksum(bytes.view())) != checks_[number]) return Error{ErrorKind::corrupt, "archive.filter.damaged", {{"file", file_.path().string()}}};
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
