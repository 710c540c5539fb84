#include "archive/embedded/columns.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "archive/mix.h"
#include "base/crypto.h"

namespace mamori::archive::detail {
namespace {

constexpr char kMark = '\x11';             // stands for a variable in a template
constexpr std::size_t kMostShapes = 4096;  // of one block; further events are kept whole
constexpr std::size_t kMostSlots = 400;
constexpr std::size_t kLongestShaped = 64u << 10;
constexpr std::uint32_t kPlain = 0xFFFFFFFF;
enum Form : std::uint8_t { kConstant = 0, kFixed = 1, kSeparated = 2, kCodes = 3, kSameAs = 4 };

Error damaged() { return {ErrorKind::corrupt, "archive.block.damaged"}; }

struct Piece {
  const char* at;
  std::uint32_t size;
  std::string_view view() const { return {at, size}; }
};

// Of a piece of constant text: its length and both ends. Enough to tell shapes apart; whether it is the same
// text, fits() says.
std::uint64_t hash_piece(const char* at, std::size_t size, std::uint64_t hash) {
  hash ^= size * 0x9E3779B97F4A7C15ull;
  std::uint64_t first = 0, last = 0;
  if (size >= 8) {
    std::memcpy(&first, at, 8);
    std::memcpy(&last, at + size - 8, 8);
  } else if (size != 0) {
    std::memcpy(&first, at, size);
  }
  return mix(hash ^ first, 0xA0761D6478BD642Full ^ last);
}

// A secret start value: nobody outside can make shapes that all fall into one place.
std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const auto bytes = random_bytes(8);
    std::uint64_t out;
    std::memcpy(&out, bytes.data(), 8);
    return out;
  }();
  return value;
}

// A word of a template that is followed or preceded by another with only . - or @ between: found as one
// (words.h).
struct Link {
  bool variable;
  std::uint32_t slot;
  WordHash hash;
};

struct Shape {
  std::string text;
  std::uint32_t slots = 0;
  std::vector<std::vector<Link>> runs;  // with at least one variable
  std::vector<bool> high;     // slot holds letters that are not ASCII (in the event that made the shape)
  std::vector<Piece> pieces;  // of all events, slots each
  std::uint32_t rows = 0;
};

// The variables of an event and the hash of what is constant. False where the event is better kept whole.
bool scan(std::string_view raw, std::vector<Piece>& pieces, std::uint64_t& hash, bool& high) {
  const char* const begin = raw.data();
  const char* const end = begin + raw.size();
  const char* at = begin;
  const char* constant = begin;
  hash = seed();
  while (at != end) {
    auto kind = class_of(*at);
    if (kind == kNone) {
      if (*at == kMark) return false;
      ++at;
      continue;
    }
    const char* const start = at;
    std::uint8_t kinds = 0;
    do {
      kinds |= kind;
      ++at;
    } while (at != end && (kind = class_of(*at)) != kNone);
    bool variable = (kinds & (kDigit | kHigh)) != 0;
    if (!variable && start != begin) {
      const char before = start[-1];
      variable = before == '"' || before == '=' || before == '>' || before == '\'';
    }
    if (!variable) continue;
    high = high || (kinds & kHigh) != 0;
    hash = hash_piece(constant, static_cast<std::size_t>(start - constant), hash);
    pieces.push_back({start, static_cast<std::uint32_t>(at - start)});
    constant = at;
  }
  hash = hash_piece(constant, static_cast<std::size_t>(end - constant), hash);
  return pieces.size() <= kMostSlots;
}

bool is_ascii_word(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return (class_of(c) & kHigh) == 0; });
}

// Whether the event is made of this shape, byte for byte.
bool fits(std::string_view raw, std::span<const Piece> pieces, const Shape& shape) {
  if (pieces.size() != shape.slots) return false;
  const char* constant = shape.text.data();
  const char* at = raw.data();
  for (const auto& piece : pieces) {
    const auto size = static_cast<std::size_t>(piece.at - at);
    if (constant + size >= shape.text.data() + shape.text.size() || std::memcmp(constant, at, size) != 0 ||
        constant[size] != kMark)
      return false;
    constant += size + 1;
    at = piece.at + piece.size;
  }
  return std::string_view(constant,
                          static_cast<std::size_t>(shape.text.data() + shape.text.size() - constant)) ==
         std::string_view(at, static_cast<std::size_t>(raw.data() + raw.size() - at));
}

// Fills in the text and the runs of a new shape, and the index words of its constant text.
void describe_shape(std::string_view raw, std::span<const Piece> pieces, Shape& shape, WordSet& words) {
  shape.slots = static_cast<std::uint32_t>(pieces.size());
  const char* at = raw.data();
  for (const auto& piece : pieces) {
    shape.text.append(at, static_cast<std::size_t>(piece.at - at));
    shape.text += kMark;
    at = piece.at + piece.size;
  }
  shape.text.append(at, static_cast<std::size_t>(raw.data() + raw.size() - at));

  std::vector<Link> run;
  const auto end_run = [&] {
    if (run.size() > 1) {
      if (std::any_of(run.begin(), run.end(), [](const Link& link) { return link.variable; })) {
        shape.runs.push_back(run);
      } else {
        auto joined = run[0].hash;
        for (std::size_t i = 1; i < run.size(); ++i) joined = join(joined, run[i].hash);
        words.add(joined);
      }
    }
    run.clear();
  };
  std::size_t slot = 0, i = 0;
  while (i < raw.size()) {
    if (class_of(raw[i]) == kNone) {
      if (!(joins_words(raw[i]) && i + 1 < raw.size() && class_of(raw[i + 1]) != kNone && !run.empty()))
        end_run();
      ++i;
      continue;
    }
    const auto start = i;
    while (i < raw.size() && class_of(raw[i]) != kNone) ++i;
    const auto word = raw.substr(start, i - start);
    if (slot < pieces.size() && pieces[slot].at == raw.data() + start) {
      run.push_back({true, static_cast<std::uint32_t>(slot++), 0});
    } else {
      const auto hash = hash_word(word);
      words.add(hash);
      if (word.size() > kPrefix) words.add(hash_prefix(word));
      run.push_back({false, 0, hash});
    }
  }
  end_run();
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

// Writes one column; `hashes` are the words' hashes, row by row.
void put_column(const Shape& shape, std::size_t slot, std::span<const WordHash> hashes, std::string& out,
                std::vector<std::uint32_t>& table, std::vector<std::uint16_t>& codes) {
  const auto rows = shape.rows;
  const Piece* const first = shape.pieces.data() + slot;
  const auto slots = shape.slots;
  const auto at = [&](std::size_t row) { return first[row * slots].view(); };
  bool same = true, fixed = true;
  for (std::size_t row = 1; row < rows && (same || fixed); ++row) {
    if (at(row).size() != first->size)
      same = fixed = false;
    else if (same && std::memcmp(at(row).data(), first->at, first->size) != 0)
      same = false;
  }
  if (same) {
    out += static_cast<char>(kConstant);
    put_text(out, first->view());
    return;
  }
  // A dictionary where values come back: a table of 1024 places, given up at the 257th value. Case
  // distinguishes values, not hashes.
  if (rows >= 48) {
    constexpr std::size_t kPlaces = 1024, kMostValues = 256;
    table.assign(kPlaces, UINT32_MAX);
    codes.resize(rows);
    std::vector<std::uint32_t> values;
    bool fits = true;
    const auto most = std::min<std::size_t>(kMostValues, rows / 3);
    for (std::size_t row = 0; row < rows && fits; ++row) {
      const auto value = at(row);
      auto place = hashes[row] % kPlaces;
      while (true) {
        if (table[place] == UINT32_MAX) {
          if (values.size() == most) {
            fits = false;
            break;
          }
          table[place] = static_cast<std::uint32_t>(values.size());
          values.push_back(static_cast<std::uint32_t>(row));
        } else if (at(values[table[place]]) != value) {
          place = (place + 1) % kPlaces;
          continue;
        }
        codes[row] = static_cast<std::uint16_t>(table[place]);
        break;
      }
    }
    if (fits) {
      out += static_cast<char>(kCodes);
      put_number(out, values.size());
      for (const auto row : values) put_text(out, at(row));
      const auto start = out.size();
      out.resize(start + rows);
      for (std::size_t row = 0; row < rows; ++row) out[start + row] = static_cast<char>(codes[row]);
      return;
    }
  }
  if (fixed) {
    out += static_cast<char>(kFixed);
    put_number(out, first->size);
    const auto width = first->size;
    const auto start = out.size();
    out.resize(start + rows * width);
    char* to = out.data() + start;
    for (std::size_t row = 0; row < rows; ++row, to += width) std::memcpy(to, first[row * slots].at, width);
    return;
  }
  out += static_cast<char>(kSeparated);
  std::size_t total = 0;
  for (std::size_t row = 0; row < rows; ++row) total += at(row).size() + 1;
  put_number(out, total);
  for (std::size_t row = 0; row < rows; ++row) {
    out += at(row);
    out += '\n';
  }
}

// Columns and index words of all events of one shape.
void put_shape(Shape& shape, std::string& out, WordSet& words) {
  const auto rows = shape.rows;
  const auto slots = shape.slots;
  std::vector<WordHash> hashes(static_cast<std::size_t>(rows) * slots);  // slot by slot
  std::vector<std::uint64_t> whole(slots);
  std::vector<std::uint32_t> table;
  std::vector<std::uint16_t> codes;
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const auto of_slot = std::span(hashes).subspan(slot * rows, rows);
    std::string_view before;
    WordHash hash = 0;
    std::uint64_t column = 7;  // of all its values
    for (std::size_t row = 0; row < rows; ++row) {
      const auto word = shape.pieces[row * slots + slot].view();
      if (row == 0 || word != before) {
        const auto previous = hash;
        hash = hash_word(word);
        if ((row == 0 || hash != previous) && is_ascii_word(word)) {
          words.add(hash);
          if (word.size() > kPrefix) words.add(hash_prefix(word));
        }
        before = word;
      }
      of_slot[row] = hash;
      column = mix(column ^ hash, 0x9E3779B97F4A7C15ull);
    }
    whole[slot] = column;
    // The same values in the same order stand somewhere before (a date in header and body, a user named
    // twice).
    bool repeated = false;
    for (std::size_t other = 0; other < slot && rows > 1; ++other) {
      if (whole[other] != column) continue;
      repeated = true;
      for (std::size_t row = 0; row < rows && repeated; ++row)
        repeated = shape.pieces[row * slots + other].view() == shape.pieces[row * slots + slot].view();
      if (!repeated) continue;
      out += static_cast<char>(kSameAs);
      put_number(out, other);
      break;
    }
    if (!repeated) put_column(shape, slot, of_slot, out, table, codes);
  }
  for (const auto& run : shape.runs) {
    WordHash before = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      const auto of = [&](const Link& link) {
        return link.variable ? hashes[link.slot * rows + row] : link.hash;
      };
      auto joined = of(run[0]);
      for (std::size_t i = 1; i < run.size(); ++i) joined = join(joined, of(run[i]));
      if (joined != before) words.add(joined);
      before = joined;
    }
  }
}

}  // namespace

void WordSet::add(WordHash hash) {
  if (hash == 0) hash = 1;
  auto place = hash & (slots_.size() - 1);
  while (slots_[place] != 0) {
    if (slots_[place] == hash) return;
    place = (place + 1) & (slots_.size() - 1);
  }
  slots_[place] = hash;
  words_.push_back(hash);
  if (words_.size() * 2 < slots_.size()) return;
  std::vector<WordHash> larger(slots_.size() * 4);
  for (const auto word : words_) {
    auto to = word & (larger.size() - 1);
    while (larger[to] != 0) to = (to + 1) & (larger.size() - 1);
    larger[to] = word;
  }
  slots_ = std::move(larger);
}

void put_number(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out += static_cast<char>(number | 0x80);
    number >>= 7;
  }
  out += static_cast<char>(number);
}

bool take_number(std::string_view& in, std::uint64_t& number) {
  number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (in.empty()) return false;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    number |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool take_bytes(std::string_view& in, std::size_t count, std::string_view& out) {
  if (count > in.size()) return false;
  out = in.substr(0, count);
  in.remove_prefix(count);
  return true;
}

TextParts take_apart(std::span<const Event> events, WordSet& words) {
  std::vector<std::unique_ptr<Shape>> shapes;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> places(
      std::bit_ceil(std::min(kMostShapes, events.size()) * 4), {0, 0});
  std::vector<std::uint32_t> shape_of(events.size());
  std::string plain;
  std::size_t plain_count = 0;
  std::vector<Piece> pieces;
  std::vector<WordHash> found;
  const auto index_whole = [&](std::string_view raw) {
    found.clear();
    index_words(raw, found);
    for (const auto word : found) words.add(word);
  };
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto raw = events[i].raw;
    pieces.clear();
    std::uint64_t hash = 0;
    bool high = false;
    bool shaped = raw.size() <= kLongestShaped && scan(raw, pieces, hash, high);
    if (high) index_whole(raw);  // folding may join what the bytes part
    std::uint32_t number = 0;
    if (shaped) {
      auto place = hash % places.size();
      while (places[place].second != 0 &&
             (places[place].first != hash || !fits(raw, pieces, *shapes[places[place].second - 1])))
        place = (place + 1) % places.size();
      if (places[place].second == 0) {
        if (shapes.size() == kMostShapes) {
          shaped = false;
        } else {
          shapes.push_back(std::make_unique<Shape>());
          describe_shape(raw, pieces, *shapes.back(), words);
          places[place] = {hash, static_cast<std::uint32_t>(shapes.size())};
        }
      }
      number = places[place].second - 1;
    }
    if (!shaped) {
      if (!high) index_whole(raw);
      put_text(plain, raw);
      ++plain_count;
      shape_of[i] = kPlain;
      continue;
    }
    auto& shape = *shapes[number];
    shape.pieces.insert(shape.pieces.end(), pieces.begin(), pieces.end());
    ++shape.rows;
    shape_of[i] = number;
  }

  TextParts parts;
  put_number(parts.shapes, shapes.size());
  for (const auto& shape : shapes) {
    put_text(parts.shapes, shape->text);
    put_number(parts.shapes, shape->rows);
  }
  put_number(parts.shapes, plain_count);
  parts.shapes += plain;
  // Template numbers: two bytes each, low bytes before high bytes; 0xFFFF for an event kept whole.
  for (const auto shape : shape_of) parts.shapes += static_cast<char>(shape);
  for (const auto shape : shape_of) parts.shapes += static_cast<char>(shape >> 8);
  std::size_t total = 0;
  for (const auto& shape : shapes) total += shape->pieces.size() * 4;
  parts.variables.reserve(total);
  for (auto& shape : shapes) put_shape(*shape, parts.variables, words);
  return parts;
}

Result<Text> Text::open(os::Bytes shapes, os::Bytes variables, std::size_t count) {
  Text text;
  text.shape_bytes_ = std::move(shapes);
  text.variable_bytes_ = std::move(variables);
  std::string_view in = text.shape_bytes_.view();
  std::uint64_t number = 0, plain = 0;
  if (!take_number(in, number) || number > kMostShapes) return damaged();
  std::uint64_t rows_in_all = 0;
  for (std::uint64_t i = 0; i < number; ++i) {
    std::uint64_t length = 0, rows = 0;
    std::string_view shape_text;
    if (!take_number(in, length) || !take_bytes(in, length, shape_text) || !take_number(in, rows) ||
        rows > count)
      return damaged();
    rows_in_all += rows;
    Shape shape;
    shape.rows = rows;
    while (true) {
      const auto mark = shape_text.find(kMark);
      shape.pieces.push_back(shape_text.substr(0, mark));
      if (mark == shape_text.npos) break;
      shape_text.remove_prefix(mark + 1);
    }
    text.shapes_.push_back(std::move(shape));
  }
  if (!take_number(in, plain) || plain > count || plain + rows_in_all != count) return damaged();
  for (std::uint64_t i = 0; i < plain; ++i) {
    std::uint64_t length = 0;
    std::string_view raw;
    if (!take_number(in, length) || !take_bytes(in, length, raw)) return damaged();
    text.plain_.push_back(raw);
  }
  if (in.size() != count * 2) return damaged();
  std::vector<std::uint32_t> next(text.shapes_.size());
  std::uint32_t next_plain = 0;
  text.shape_of_.resize(count);
  text.row_of_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto shape = static_cast<std::uint32_t>(static_cast<unsigned char>(in[i])) |
                       static_cast<std::uint32_t>(static_cast<unsigned char>(in[count + i])) << 8;
    if (shape == 0xFFFF) {
      text.shape_of_[i] = kPlain;
      text.row_of_[i] = next_plain++;
      if (next_plain > plain) return damaged();
      continue;
    }
    if (shape >= text.shapes_.size() || next[shape] == text.shapes_[shape].rows) return damaged();
    text.shape_of_[i] = shape;
    text.row_of_[i] = next[shape]++;
  }

  in = text.variable_bytes_.view();
  for (auto& shape : text.shapes_) {
    shape.first_column = text.columns_.size();
    for (std::size_t slot = 0; slot + 1 < shape.pieces.size(); ++slot) {
      Column column;
      std::string_view form;
      std::uint64_t length = 0;
      if (!take_bytes(in, 1, form)) return damaged();
      column.form = static_cast<std::uint8_t>(form[0]);
      switch (column.form) {
        case kConstant:
          if (!take_number(in, length) || !take_bytes(in, length, column.bytes)) return damaged();
          break;
        case kFixed:
          if (!take_number(in, length) || length > kLongestShaped ||
              !take_bytes(in, length * shape.rows, column.bytes))
            return damaged();
          column.width = length;
          break;
        case kSeparated:
          if (!take_number(in, length) || !take_bytes(in, length, column.bytes)) return damaged();
          column.values.reserve(shape.rows);
          for (auto rest = column.bytes; !rest.empty();) {
            const auto stop = rest.find('\n');
            if (stop == rest.npos) return damaged();
            column.values.push_back(rest.substr(0, stop));
            rest.remove_prefix(stop + 1);
          }
          if (column.values.size() != shape.rows) return damaged();
          break;
        case kCodes: {
          std::uint64_t values = 0;
          if (!take_number(in, values) || values > 256) return damaged();
          for (std::uint64_t i = 0; i < values; ++i) {
            std::string_view value;
            if (!take_number(in, length) || !take_bytes(in, length, value)) return damaged();
            column.values.push_back(value);
          }
          if (!take_bytes(in, shape.rows, column.bytes)) return damaged();
          break;
        }
        case kSameAs:
          if (!take_number(in, length) || length >= slot) return damaged();
          column.same_as = length;
          break;
        default: return damaged();
      }
      text.columns_.push_back(std::move(column));
    }
  }
  if (!in.empty()) return damaged();
  return text;
}

Result<std::string_view> Text::value(const Shape& shape, std::size_t slot, std::size_t row) const {
  const auto* column = &columns_[shape.first_column + slot];
  while (column->form == kSameAs) column = &columns_[shape.first_column + column->same_as];
  switch (column->form) {
    case kConstant: return column->bytes;
    case kFixed: return column->bytes.substr(row * column->width, column->width);
    case kSeparated: return column->values[row];
    default: {
      const auto code = static_cast<unsigned char>(column->bytes[row]);
      if (code >= column->values.size()) return damaged();
      return column->values[code];
    }
  }
}

Status Text::find_word(const std::function<bool(std::string_view)>& is, std::vector<bool>& found,
                       std::vector<bool>& unsure) const {
  enum class Says : std::uint8_t { no, yes, perhaps };
  std::string lower;
  const auto judge = [&](std::string_view word) {
    lower_into(word, lower);
    return is(lower);
  };
  const auto high = [](std::string_view bytes) {
    return std::any_of(bytes.begin(), bytes.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  };
  std::vector<Says> of_shape(shapes_.size(), Says::no);
  std::vector<std::vector<bool>> of_row(shapes_.size());
  for (std::size_t s = 0; s < shapes_.size(); ++s) {
    const auto& shape = shapes_[s];
    bool all = false;
    for (const auto piece : shape.pieces)
      for (std::size_t i = 0; i < piece.size() && !all;) {
        if (class_of(piece[i]) == kNone) {
          ++i;
          continue;
        }
        const auto start = i;
        while (i < piece.size() && class_of(piece[i]) != kNone) ++i;
        all = judge(piece.substr(start, i - start));
      }
    auto& rows = of_row[s];
    for (std::size_t slot = 0; slot + 1 < shape.pieces.size() && !all; ++slot) {
      const auto& column = columns_[shape.first_column + slot];
      const auto hit = [&](std::size_t row) {
        if (rows.empty()) rows.resize(shape.rows);
        rows[row] = true;
      };
      switch (column.form) {
        case kConstant:
          if (high(column.bytes))
            of_shape[s] = Says::perhaps;
          else
            all = judge(column.bytes);
          break;
        case kFixed:
          if (high(column.bytes)) {
            of_shape[s] = Says::perhaps;
            break;
          }
          for (std::size_t row = 0; row < shape.rows; ++row)
            if (judge(column.bytes.substr(row * column.width, column.width))) hit(row);
          break;
        case kSeparated:
          if (high(column.bytes)) {
            of_shape[s] = Says::perhaps;
            break;
          }
          for (std::size_t row = 0; row < shape.rows; ++row)
            if (judge(column.values[row])) hit(row);
          break;
        case kCodes: {
          std::vector<bool> says(column.values.size());
          bool any = false;
          for (std::size_t i = 0; i < says.size(); ++i) {
            if (high(column.values[i]))
              of_shape[s] = Says::perhaps;
            else
              any = (says[i] = judge(column.values[i])) || any;
          }
          for (std::size_t row = 0; any && row < shape.rows; ++row) {
            const auto code = static_cast<unsigned char>(column.bytes[row]);
            if (code >= says.size()) return damaged();
            if (says[code]) hit(row);
          }
          break;
        }
        default: break;  // the same as another column
      }
    }
    if (all) of_shape[s] = Says::yes;
  }
  found.assign(count(), false);
  unsure.assign(count(), false);
  for (std::size_t i = 0; i < count(); ++i) {
    const auto shape = shape_of_[i];
    if (shape == kPlain || of_shape[shape] == Says::perhaps)
      unsure[i] = true;
    else if (of_shape[shape] == Says::yes || (!of_row[shape].empty() && of_row[shape][row_of_[i]]))
      found[i] = true;
  }
  return {};
}

Status Text::put_together(std::string& bytes, std::vector<std::size_t>& ends) const {
  ends.reserve(ends.size() + count());
  for (std::size_t event = 0; event < count(); ++event) {
    if (shape_of_[event] == kPlain) {
      bytes += plain_[row_of_[event]];
    } else {
      const auto& shape = shapes_[shape_of_[event]];
      const auto row = row_of_[event];
      const auto slots = shape.pieces.size() - 1;
      for (std::size_t slot = 0; slot < slots; ++slot) {
        bytes += shape.pieces[slot];
        bytes += MAMORI_TRY(value(shape, slot, row));
      }
      bytes += shape.pieces[slots];
      if (bytes.size() > (std::size_t{1} << 30)) return damaged();
    }
    ends.push_back(bytes.size());
  }
  return {};
}

Result<std::string> Text::raw(std::size_t event) const {
  MAMORI_ASSERT(event < count());
  if (shape_of_[event] == kPlain) return std::string(plain_[row_of_[event]]);
  const auto& shape = shapes_[shape_of_[event]];
  std::string out;
  for (std::size_t slot = 0; slot + 1 < shape.pieces.size(); ++slot) {
    out += shape.pieces[slot];
    out += MAMORI_TRY(value(shape, slot, row_of_[event]));
    if (out.size() > 4 * kLongestRaw) return damaged();
  }
  out += shape.pieces.back();
  return out;
}

}  // namespace mamori::archive::detail
