#include "archive/embedded/block.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "archive/embedded/checksum.h"

namespace mamori::archive {
namespace {

using detail::put_number;
using detail::take_bytes;
using detail::take_number;

constexpr std::string_view kMagic = "MMBLOCK1";
constexpr std::size_t kLargestHeader = 1u << 20;
constexpr std::uint64_t kLargestSection = std::uint64_t{1} << 30;

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

void put_fixed(std::string& out, std::uint64_t value) {
  char bytes[8];
  std::memcpy(bytes, &value, 8);  // little endian: the only order this program is built for
  out.append(bytes, 8);
}
std::uint64_t fixed_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value;
  std::memcpy(&value, bytes.data() + at, 8);
  return value;
}

void put_hash(std::string& out, const Hash& hash) {
  out.append(reinterpret_cast<const char*>(hash.data()), hash.size());
}

// zstd's contexts are costly to make: one of each per thread.
ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                                     ZSTD_freeCCtx);
  return context.get();
}
ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                                     ZSTD_freeDCtx);
  return context.get();
}

// A field's two sections: values with counts, codes.
void put_field(std::span<const Event> events, Field field, detail::WordSet& words, std::string& out,
               std::string& out_codes) {
  std::unordered_map<std::string_view, std::uint16_t> numbers;
  std::vector<std::string_view> values;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint16_t> codes(events.size());
  std::string_view before;
  std::uint16_t code = 0;
  bool any = false;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto value = events[i][field].substr(0, kLongestField);
    any = any || !value.empty();
    if (i == 0 || value != before) {
      const auto [entry, fresh] = numbers.try_emplace(value, static_cast<std::uint16_t>(values.size()));
      if (fresh) {
        values.push_back(value);
        counts.push_back(0);
        if (!value.empty()) words.add(hash_field(field, value));
      }
      code = entry->second;
      before = value;
    }
    codes[i] = code;
    ++counts[code];
  }
  if (!any) return;
  put_number(out, values.size());
  for (const auto value : values) {
    put_number(out, value.size());
    out += value;
  }
  for (const auto count : counts) put_number(out, count);
  if (values.size() == 1) return;
  out_codes.reserve(codes.size() * 2);
  for (const auto number : codes) out_codes += static_cast<char>(number);
  if (values.size() > 256)
    for (const auto number : codes) out_codes += static_cast<char>(number >> 8);
}

}  // namespace

BuiltBlock build_block(std::span<const Event> events, std::vector<Hash> leaves, int level) {
  MAMORI_ASSERT(!events.empty() && events.size() <= kBlockEvents && leaves.size() == events.size());
  BuiltBlock built;
  built.leaves = std::move(leaves);
  auto& info = built.info;
  info.count = events.size();
  info.first_time = info.last_time = events[0].time;
  info.first_received = info.last_received = events[0].received;
  detail::WordSet words;
  std::array<std::string, kSections> parts;
  auto text = detail::take_apart(events, words);
  parts[static_cast<std::size_t>(Section::shapes)] = std::move(text.shapes);
  parts[static_cast<std::size_t>(Section::variables)] = std::move(text.variables);
  auto& received = parts[static_cast<std::size_t>(Section::received)];
  auto& times = parts[static_cast<std::size_t>(Section::time)];
  std::int64_t last_received = 0, last_lag = 0;
  for (const auto& event : events) {
    info.raw_bytes += event.raw.size();
    info.first_time = std::min(info.first_time, event.time);
    info.last_time = std::max(info.last_time, event.time);
    info.first_received = std::min(info.first_received, event.received);
    info.last_received = std::max(info.last_received, event.received);
    const auto at = to_millis(event.received), lag = at - to_millis(event.time);
    put_number(received, zigzag(at - last_received));
    put_number(times, zigzag(lag - last_lag));
    last_received = at;
    last_lag = lag;
  }
  for (const auto field : kFields)
    put_field(events, field, words, parts[section_of(Section::values, field)],
              parts[section_of(Section::codes, field)]);
  for (const auto& leaf : built.leaves)
    parts[static_cast<std::size_t>(Section::marks)] += static_cast<char>(leaf[0]);
  built.words = words.words();

  for (std::size_t i = 0; i < kSections; ++i) {
    if (parts[i].empty()) continue;
    const auto start = built.sections.size();
    built.sections.resize(start + ZSTD_compressBound(parts[i].size()));
    const auto size =
        ZSTD_compressCCtx(compressor(), built.sections.data() + start, built.sections.size() - start,
                          parts[i].data(), parts[i].size(), level);
    MAMORI_ASSERT(!ZSTD_isError(size));
    built.sections.resize(start + size);
    info.sections[i] = {start, size, parts[i].size(),
                        checksum(std::string_view(built.sections).substr(start, size))};
  }
  return built;
}

std::string make_header(BuiltBlock& built, LeafIndex first, std::uint64_t at) {
  auto& info = built.info;
  info.first = first;
  const auto to_border = static_cast<std::size_t>((kChunk - first % kChunk) % kChunk);
  const auto before = std::min(to_border, built.leaves.size());
  const auto chunks = (built.leaves.size() - before) / kChunk;
  const auto after = built.leaves.size() - before - chunks * kChunk;

  std::string body;
  put_number(body, first);
  put_number(body, info.count);
  put_number(body, info.raw_bytes);
  for (const auto instant : {info.first_time, info.last_time, info.first_received, info.last_received})
    put_number(body, zigzag(to_millis(instant)));
  put_number(body, kSections);
  for (const auto& place : info.sections) {
    put_number(body, place.size);
    put_number(body, place.full);
    put_fixed(body, place.check);
  }
  put_number(body, before);
  put_number(body, chunks);
  put_number(body, after);
  const std::span<const Hash> leaves = built.leaves;
  for (const auto& hash : leaves.first(before)) put_hash(body, hash);
  for (std::size_t i = 0; i < chunks; ++i)
    put_hash(body, perfect_root(leaves.subspan(before + i * kChunk, kChunk)));
  for (const auto& hash : leaves.last(after)) put_hash(body, hash);

  std::string out(kMagic);
  put_fixed(out, kHeaderStart + body.size());
  put_fixed(out, checksum(body));
  out += body;
  info.check = fixed_at(out, 16);
  info.length = out.size() + built.sections.size();
  for (auto& place : info.sections) place.at += at + out.size();
  return out;
}

Result<std::size_t> header_length(std::string_view start) {
  const Error damaged{ErrorKind::corrupt, "archive.block.damaged"};
  if (start.size() < kHeaderStart || !start.starts_with(kMagic)) return damaged;
  const auto length = fixed_at(start, 8);
  if (length < kHeaderStart || length > kLargestHeader) return damaged;
  return static_cast<std::size_t>(length);
}

Result<Header> parse_header(std::string_view bytes, std::uint64_t at) {
  const Error damaged{ErrorKind::corrupt, "archive.block.damaged"};
  const auto length = MAMORI_TRY(header_length(bytes));
  if (bytes.size() < length) return damaged;
  auto in = bytes.substr(kHeaderStart, length - kHeaderStart);
  if (checksum(in) != fixed_at(bytes, 16)) return damaged;
  Header header;
  auto& info = header.info;
  std::uint64_t count = 0, sections = 0, before = 0, chunks = 0, after = 0;
  if (!take_number(in, info.first) || !take_number(in, count) || count == 0 || count > kBlockEvents ||
      !take_number(in, info.raw_bytes))
    return damaged;
  info.count = count;
  for (auto* const instant : {&info.first_time, &info.last_time, &info.first_received, &info.last_received}) {
    std::uint64_t value = 0;
    if (!take_number(in, value)) return damaged;
    *instant = from_millis(unzigzag(value));
  }
  // A later version may have more sections: what it does not know it steps over.
  if (!take_number(in, sections) || (sections != kSections1 && sections < kSections) || sections > 255)
    return damaged;
  info.counted = sections >= kSections;
  auto place_at = at + length;
  for (std::size_t i = 0; i < sections; ++i) {
    SectionPlace place{.at = place_at};
    std::string_view check;
    if (!take_number(in, place.size) || !take_number(in, place.full) || !take_bytes(in, 8, check) ||
        place.size > kLargestSection || place.full > kLargestSection)
      return damaged;
    place.check = fixed_at(check, 0);
    place_at += place.size;
    if (i < (info.counted ? kSections : kSections1)) info.sections[i] = place;
  }
  info.length = place_at - at;
  info.header_at = at;
  info.header_size = length;
  info.check = fixed_at(bytes, 16);
  if (!take_number(in, before) || !take_number(in, chunks) || !take_number(in, after)) return damaged;
  const auto to_border = (kChunk - info.first % kChunk) % kChunk;
  if (before != std::min<std::uint64_t>(to_border, count) || before + chunks * kChunk + after != count ||
      after >= kChunk || in.size() != (before + chunks + after) * 32)
    return damaged;
  const auto take_hashes = [&](std::uint64_t number, std::vector<Hash>& out) {
    out.resize(number);
    for (auto& hash : out) {
      std::memcpy(hash.data(), in.data(), 32);
      in.remove_prefix(32);
    }
  };
  take_hashes(before, header.hashes.before);
  take_hashes(chunks, header.hashes.chunks);
  take_hashes(after, header.hashes.after);
  return header;
}

Error BlockReader::damaged() const {
  return {ErrorKind::corrupt,
          "archive.block.damaged",
          {{"file", file_.path().string()},
           {"first", std::to_string(info_.first)},
           {"last", std::to_string(info_.first + info_.count - 1)}}};
}

Result<os::Bytes> BlockReader::section(std::size_t number) const {
  const auto& place = info_.sections[number];
  if (place.size == 0) return os::Bytes();
  const auto read = MAMORI_TRY(file_.read(place.at, place.size));
  const auto bytes = read.view();
  if (checksum(bytes) != place.check || ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != place.full)
    return damaged();
  os::Bytes out(place.full);
  const auto size = ZSTD_decompressDCtx(decompressor(), out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) || size != place.full) return damaged();
  return out;
}

Result<Header> BlockReader::header() const {
  return parse_header(MAMORI_TRY(file_.read(info_.header_at, info_.header_size)).view(), info_.header_at);
}

Status BlockReader::whole() const {
  const auto now = header();
  if (!now || now->info.check != info_.check) return damaged();
  return sections_whole();
}

Status BlockReader::sections_whole() const {
  for (const auto& place : info_.sections) {
    if (place.size == 0) continue;
    if (checksum(MAMORI_TRY(file_.read(place.at, place.size)).view()) != place.check) return damaged();
  }
  return {};
}

Result<std::vector<Instant>> BlockReader::received() const {
  const auto bytes = MAMORI_TRY(section(static_cast<std::size_t>(Section::received)));
  auto in = bytes.view();
  std::vector<Instant> out(info_.count);
  std::int64_t at = 0;
  for (auto& instant : out) {
    std::uint64_t step = 0;
    if (!take_number(in, step)) return damaged();
    at = static_cast<std::int64_t>(static_cast<std::uint64_t>(at) +
                                   static_cast<std::uint64_t>(unzigzag(step)));
    instant = from_millis(at);
  }
  return out;
}

Result<std::vector<Instant>> BlockReader::times(std::span<const Instant> received) const {
  const auto bytes = MAMORI_TRY(section(static_cast<std::size_t>(Section::time)));
  auto in = bytes.view();
  std::vector<Instant> out(info_.count);
  std::uint64_t lag = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint64_t step = 0;
    if (!take_number(in, step)) return damaged();
    lag += static_cast<std::uint64_t>(unzigzag(step));
    out[i] = from_millis(static_cast<std::int64_t>(static_cast<std::uint64_t>(to_millis(received[i])) - lag));
  }
  return out;
}

Status BlockReader::take_values(std::string_view& in, FieldValues& out) const {
  std::uint64_t count = 0;
  if (!take_number(in, count) || count == 0 || count > info_.count) return damaged();
  out.values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t length = 0;
    std::string_view value;
    if (!take_number(in, length) || !take_bytes(in, length, value)) return damaged();
    out.values.push_back(value);
  }
  return {};
}

Result<FieldValues> BlockReader::values(Field field) const {
  FieldValues out;
  out.bytes = MAMORI_TRY(section(section_of(Section::values, field)));
  if (out.bytes.size() == 0) {
    out.values = {""};
    out.counts = {static_cast<std::uint32_t>(info_.count)};
    return out;
  }
  auto in = out.bytes.view();
  MAMORI_TRY(take_values(in, out));
  if (!info_.counted) {  // version 1: counted here
    const auto each = MAMORI_TRY(codes(field, out));
    out.counts.resize(out.values.size());
    for (std::size_t i = 0; i < info_.count; ++i) ++out.counts[each[i]];
    return out;
  }
  std::uint64_t all = 0;
  out.counts.reserve(out.values.size());
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    std::uint64_t count = 0;
    if (!take_number(in, count) || count > info_.count) return damaged();
    out.counts.push_back(static_cast<std::uint32_t>(count));
    all += count;
  }
  if (!in.empty() || all != info_.count) return damaged();
  return out;
}

Result<FieldCodes> BlockReader::codes(Field field, const FieldValues& values) const {
  const auto number = values.values.size();
  if (number == 1) return FieldCodes();
  auto bytes = MAMORI_TRY(section(section_of(info_.counted ? Section::codes : Section::values, field)));
  auto in = bytes.view();
  if (!info_.counted) {
    FieldValues before;
    MAMORI_TRY(take_values(in, before));
  }
  if (in.size() != info_.count * (number > 256 ? 2 : 1)) return damaged();
  return FieldCodes(std::move(bytes), in, info_.count, number);
}

Result<os::Bytes> BlockReader::marks() const {
  auto bytes = MAMORI_TRY(section(static_cast<std::size_t>(Section::marks)));
  if (bytes.size() != (info_.counted ? info_.count : 0)) return damaged();
  return bytes;
}

Result<detail::Text> BlockReader::text() const {
  auto shapes = MAMORI_TRY(section(static_cast<std::size_t>(Section::shapes)));
  auto variables = MAMORI_TRY(section(static_cast<std::size_t>(Section::variables)));
  auto text = detail::Text::open(std::move(shapes), std::move(variables), info_.count);
  if (!text) return damaged();
  return text;
}

Result<std::vector<Event>> BlockReader::events(Arena& arena) const {
  const auto all_received = MAMORI_TRY(received());
  const auto all_times = MAMORI_TRY(times(all_received));
  std::string bytes;
  bytes.reserve(info_.raw_bytes);
  std::vector<std::size_t> ends;
  {
    const auto parts = MAMORI_TRY(text());
    if (!parts.put_together(bytes, ends)) return damaged();
  }
  const auto kept = arena.keep(bytes);
  std::vector<Event> out(info_.count);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto start = i == 0 ? 0 : ends[i - 1];
    out[i].raw = kept.substr(start, ends[i] - start);
    out[i].received = all_received[i];
    out[i].time = all_times[i];
  }
  for (const auto f : kFields) {
    if (info_.sections[section_of(Section::values, f)].size == 0) continue;
    auto column = MAMORI_TRY(values(f));
    const auto each = MAMORI_TRY(codes(f, column));
    for (auto& value : column.values) value = arena.keep(value);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto code = each[i];
      out[i][f] = column.values[code];
      --column.counts[code];
    }
    // What statistics read must be what the events say.
    if (std::any_of(column.counts.begin(), column.counts.end(), [](auto left) { return left != 0; }))
      return damaged();
  }
  return out;
}

}  // namespace mamori::archive
