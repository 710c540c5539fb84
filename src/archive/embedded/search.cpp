#include "archive/embedded/search.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <thread>
#include <unordered_map>

namespace mamori::archive {
namespace {

// A value set that grows over this is not counted further: a patient's number in all of five years is no
// statistic.
constexpr std::size_t kMostDistinct = 50000;

// How often each value was found; asked by what a block holds, without a copy.
struct HashOfText {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Counts = std::unordered_map<std::string, std::uint64_t, HashOfText, std::equal_to<>>;

// A set of events of a block.
class Bits {
 public:
  explicit Bits(std::size_t count, bool all = false)
      : count_(count), words_((count + 63) / 64, all ? ~0ull : 0) {
    if (all && count % 64 != 0) words_.back() = ~0ull >> (64 - count % 64);
  }
  void set(std::size_t i) { words_[i / 64] |= 1ull << (i % 64); }
  void reset(std::size_t i) { words_[i / 64] &= ~(1ull << (i % 64)); }
  bool get(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  std::size_t size() const { return count_; }
  std::size_t ones() const {
    std::size_t sum = 0;
    for (const auto word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }
  bool none() const {
    return std::all_of(words_.begin(), words_.end(), [](auto word) { return word == 0; });
  }
  Bits& operator&=(const Bits& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  Bits& operator|=(const Bits& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  Bits& remove(const Bits& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
    return *this;
  }
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      for (auto word = words_[i]; word != 0; word &= word - 1)
        visit(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
  }

 private:
  std::size_t count_;
  std::vector<std::uint64_t> words_;
};

// The events that a question is put to: those of a block, read as far as it needs, or those of a record in
// memory.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::size_t count() const = 0;
  virtual Result<const FieldValues*> values(Field field) = 0;
  virtual Result<const FieldCodes*> codes(Field field) = 0;
  virtual Result<const std::vector<Instant>*> times() = 0;
  virtual Result<std::string> folded(std::size_t event) = 0;
  // As Text::find_word.
  virtual Status find_word(const std::function<bool(std::string_view)>& is, std::vector<bool>& found,
                           std::vector<bool>& unsure) = 0;
  virtual Result<Event> event(std::size_t event, Arena& arena) = 0;
};

class BlockSource final : public Source {
 public:
  BlockSource(const os::ReadFile& file, const BlockInfo& info) : reader_(file, info) {}
  std::size_t count() const override { return reader_.info().count; }
  Result<const FieldValues*> values(Field field) override {
    auto& values = values_[static_cast<std::size_t>(field)];
    if (!values) values = MAMORI_TRY(reader_.values(field));
    return &*values;
  }
  Result<const FieldCodes*> codes(Field field) override {
    auto& codes = codes_[static_cast<std::size_t>(field)];
    if (!codes) codes = MAMORI_TRY(reader_.codes(field, *MAMORI_TRY(values(field))));
    return &*codes;
  }
  Result<const std::vector<Instant>*> times() override {
    if (!times_) {
      received_ = MAMORI_TRY(reader_.received());
      times_ = MAMORI_TRY(reader_.times(*received_));
    }
    return &*times_;
  }
  Result<std::string> folded(std::size_t event) override {
    MAMORI_TRY(open_text());
    return searchable(MAMORI_TRY(text_->raw(event)));
  }
  Status find_word(const std::function<bool(std::string_view)>& is, std::vector<bool>& found,
                   std::vector<bool>& unsure) override {
    MAMORI_TRY(open_text());
    return text_->find_word(is, found, unsure);
  }
  Result<Event> event(std::size_t number, Arena& arena) override {
    MAMORI_TRY(open_text());
    MAMORI_TRY(times());
    Event out;
    out.raw = arena.keep(MAMORI_TRY(text_->raw(number)));
    out.received = (*received_)[number];
    out.time = (*times_)[number];
    for (const auto f : kFields)
      out[f] = arena.keep(MAMORI_TRY(values(f))->values[(*MAMORI_TRY(codes(f)))[number]]);
    return out;
  }

 private:
  Status open_text() {
    if (!text_) text_ = MAMORI_TRY(reader_.text());
    return {};
  }
  BlockReader reader_;
  std::array<std::optional<FieldValues>, kFieldCount> values_;
  std::array<std::optional<FieldCodes>, kFieldCount> codes_;
  std::optional<std::vector<Instant>> received_, times_;
  std::optional<detail::Text> text_;
};

class RecordSource final : public Source {
 public:
  explicit RecordSource(const std::vector<Event>& events) : events_(events) {}
  std::size_t count() const override { return events_.size(); }
  Result<const FieldValues*> values(Field field) override { return &column(field).first; }
  Result<const FieldCodes*> codes(Field field) override { return &column(field).second; }
  Result<const std::vector<Instant>*> times() override {
    if (times_.empty())
      for (const auto& event : events_) times_.push_back(event.time);
    return &times_;
  }
  Result<std::string> folded(std::size_t event) override { return searchable(events_[event].raw); }
  Status find_word(const std::function<bool(std::string_view)>&, std::vector<bool>& found,
                   std::vector<bool>& unsure) override {
    found.assign(events_.size(), false);
    unsure.assign(events_.size(), true);
    return {};
  }
  Result<Event> event(std::size_t number, Arena& arena) override {
    auto out = events_[number];
    out.raw = arena.keep(out.raw);
    for (auto& value : out.fields) value = arena.keep(value);
    return out;
  }

 private:
  const std::pair<FieldValues, FieldCodes>& column(Field field) {
    auto& column = columns_[static_cast<std::size_t>(field)];
    if (column) return *column;
    auto& [values, codes] = column.emplace();
    std::unordered_map<std::string_view, std::size_t> numbers;
    os::Bytes bytes(events_.size() * 2);
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const auto [entry, fresh] = numbers.try_emplace(events_[i][field], numbers.size());
      if (fresh) {
        values.values.push_back(events_[i][field]);
        values.counts.push_back(0);
      }
      ++values.counts[entry->second];
      bytes.data()[i] = static_cast<char>(entry->second);
      bytes.data()[events_.size() + i] = static_cast<char>(entry->second >> 8);
    }
    const auto view = bytes.view();
    codes = FieldCodes(std::move(bytes), view, events_.size(), values.values.size());
    return *column;
  }
  const std::vector<Event>& events_;
  std::array<std::optional<std::pair<FieldValues, FieldCodes>>, kFieldCount> columns_;
  std::vector<Instant> times_;
};

Result<Bits> answer(const Query& query, Source& source, const Bits& among);

// Cheap questions first: fields before text.
int cost(const Query& query) {
  switch (query.kind) {
    case Query::Kind::everything: return 0;
    case Query::Kind::term: return query.term.kind == Term::Kind::field ? 1 : query.term.one_word ? 2 : 3;
    case Query::Kind::and_:
    case Query::Kind::or_:
    case Query::Kind::not_: {
      int most = 1;
      for (const auto& part : query.parts) most = std::max(most, cost(part));
      return most;
    }
  }
  MAMORI_UNREACHABLE();
}

Result<Bits> answer_field(const Term& term, Source& source, const Bits& among) {
  const auto& values = MAMORI_TRY(source.values(term.field))->values;
  Bits out(source.count());
  std::vector<char> says(values.size());
  std::size_t yes = 0;
  for (std::size_t i = 0; i < says.size(); ++i) {
    says[i] = term.is(searchable(values[i])) && !(term.value == "*" && values[i].empty());
    if (says[i]) ++yes;
  }
  if (yes == 0) return out;
  if (yes == says.size()) return among;
  const auto& codes = *MAMORI_TRY(source.codes(term.field));
  among.each([&](std::size_t i) {
    if (says[codes[i]]) out.set(i);
  });
  return out;
}

// Those of the candidates whose whole text has the term in it, added to `out`.
Status read_texts(const Term& term, Source& source, const Bits& candidates, Bits& out) {
  Status failed;
  candidates.each([&](std::size_t i) {
    if (!failed) return;
    const auto text = source.folded(i);
    if (!text)
      failed = text.error();
    else if (term.in(*text))
      out.set(i);
  });
  return failed;
}

Result<Bits> answer_text(const Term& term, Source& source, const Bits& among) {
  Bits out(source.count());
  auto candidates = among;
  std::vector<bool> found, unsure;
  if (term.kind == Term::Kind::text && term.one_word) {
    MAMORI_TRY(source.find_word([&](std::string_view word) { return term.is(word); }, found, unsure));
    Bits rest(source.count());
    candidates.each([&](std::size_t i) {
      if (found[i])
        out.set(i);
      else if (unsure[i])
        rest.set(i);
    });
    MAMORI_TRY(read_texts(term, source, rest, out));
    return out;
  }
  for (const auto& wanted : term.words) {
    if (candidates.none()) break;
    MAMORI_TRY(source.find_word([&](std::string_view word) { return word == wanted; }, found, unsure));
    Bits left(source.count());
    candidates.each([&](std::size_t i) {
      if (found[i] || unsure[i]) left.set(i);
    });
    candidates = std::move(left);
  }
  MAMORI_TRY(read_texts(term, source, candidates, out));
  return out;
}

Result<Bits> answer(const Query& query, Source& source, const Bits& among) {
  if (among.none()) return among;
  switch (query.kind) {
    case Query::Kind::everything: return among;
    case Query::Kind::term:
      return query.term.kind == Term::Kind::field ? answer_field(query.term, source, among)
                                                  : answer_text(query.term, source, among);
    case Query::Kind::and_: {
      std::vector<const Query*> order;
      for (const auto& part : query.parts) order.push_back(&part);
      std::stable_sort(order.begin(), order.end(),
                       [](const Query* a, const Query* b) { return cost(*a) < cost(*b); });
      auto out = among;
      for (const auto* part : order) out = MAMORI_TRY(answer(*part, source, out));
      return out;
    }
    case Query::Kind::or_: {
      Bits out(source.count());
      auto rest = among;
      for (const auto& part : query.parts) {
        const auto some = MAMORI_TRY(answer(part, source, rest));
        out |= some;
        rest.remove(some);
      }
      return out;
    }
    case Query::Kind::not_: {
      auto out = among;
      return out.remove(MAMORI_TRY(answer(query.parts[0], source, among)));
    }
  }
  MAMORI_UNREACHABLE();
}

// The blocks that may hold an answer; `find` answers for one index word.
Result<BlockSet> blocks_of(const Query& query, const std::function<Result<BlockSet>(WordHash)>& find) {
  auto out = ~BlockSet{0};
  switch (query.kind) {
    case Query::Kind::everything:
    case Query::Kind::not_: return out;
    case Query::Kind::term:
      for (const auto word : query.term.needed) {
        out &= MAMORI_TRY(find(word));
        if (out == 0) break;
      }
      return out;
    case Query::Kind::and_:
      for (const auto& part : query.parts) {
        out &= MAMORI_TRY(blocks_of(part, find));
        if (out == 0) break;
      }
      return out;
    case Query::Kind::or_:
      out = 0;
      for (const auto& part : query.parts) out |= MAMORI_TRY(blocks_of(part, find));
      return out;
  }
  MAMORI_UNREACHABLE();
}

// One thing to look at: a block or a record.
struct Unit {
  std::size_t stream;
  std::shared_ptr<Segment> segment;
  std::shared_ptr<const Header> block;
  std::shared_ptr<const Record> record;
  LeafIndex first;
  Instant first_time, last_time;
  LeafIndex end() const { return first + (record ? record->events.size() : block->info.count); }
  std::unique_ptr<Source> open() const {
    if (record) return std::make_unique<RecordSource>(record->events);
    return std::make_unique<BlockSource>(segment->file(), block->info);
  }
};

std::vector<Unit> units_of(std::size_t stream, const Snapshot& now, const Query& query, Instant from,
                           Instant to, std::uint64_t& all, Status& failed) {
  std::vector<Unit> out;
  for (std::size_t i = 0; i < now.segments.size(); ++i) {
    all += now.blocks[i]->size();
    BlockSet in_time = 0;
    for (std::size_t b = 0; b < now.blocks[i]->size(); ++b) {
      const auto& info = (*now.blocks[i])[b]->info;
      if (info.last_time >= from && info.first_time < to) in_time |= BlockSet{1} << b;
    }
    if (in_time == 0) continue;
    std::unordered_map<WordHash, BlockSet> asked;
    const auto maybe = blocks_of(query, [&](WordHash word) -> Result<BlockSet> {
      const auto known = asked.find(word);
      if (known != asked.end()) return known->second;
      return asked[word] = MAMORI_TRY(now.segments[i]->find(word));
    });
    if (!maybe) {
      failed = maybe.error();
      return out;
    }
    for (std::size_t b = 0; b < now.blocks[i]->size(); ++b) {
      if (((*maybe & in_time) >> b & 1) == 0) continue;
      const auto& info = (*now.blocks[i])[b]->info;
      out.push_back({stream, now.segments[i], (*now.blocks[i])[b], nullptr, info.first, info.first_time,
                     info.last_time});
    }
  }
  for (const auto& record : now.records) {
    if (record->events.empty()) continue;
    const auto [low, high] =
        std::minmax_element(record->events.begin(), record->events.end(),
                            [](const Event& a, const Event& b) { return a.time < b.time; });
    if (high->time < from || low->time >= to) continue;
    out.push_back({stream, nullptr, nullptr, record, record->first, low->time, high->time});
  }
  return out;
}

// The events of a unit that match, within the time asked for.
Result<Bits> matches(const Unit& unit, Source& source, const Query& query, Instant from, Instant to) {
  Bits all(source.count(), true);
  if (unit.first_time < from || unit.last_time >= to) {
    const auto* times = MAMORI_TRY(source.times());
    for (std::size_t i = 0; i < times->size(); ++i)
      if ((*times)[i] < from || (*times)[i] >= to) all.reset(i);
  }
  return answer(query, source, all);
}

class Search {
 public:
  Search(std::span<const EmbeddedStream* const> streams, const Query& query, const SearchOptions& options)
      : streams_(streams), query_(query), options_(options) {}

  Result<SearchResult> run() {
    SearchResult result;
    Status failed;
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      auto some =
          units_of(i, streams_[i]->snapshot(), query_, options_.from, options_.to, result.blocks, failed);
      MAMORI_TRY(failed);
      std::move(some.begin(), some.end(), std::back_inserter(units_));
    }
    std::sort(units_.begin(), units_.end(),
              [](const Unit& a, const Unit& b) { return a.last_time > b.last_time; });
    if (!units_.empty()) {
      low_ = std::max(options_.from,
                      std::min_element(units_.begin(), units_.end(), [](const Unit& a, const Unit& b) {
                        return a.first_time < b.first_time;
                      })->first_time);
      const auto high = std::min(options_.to, units_.front().last_time + std::chrono::milliseconds(1));
      width_ = std::max<std::int64_t>(
          1, (to_millis(high) - to_millis(low_) + static_cast<std::int64_t>(options_.buckets) - 1) /
                 static_cast<std::int64_t>(options_.buckets));
    }
    deadline_ = std::chrono::steady_clock::now() + options_.limit_time;
    const auto threads = std::clamp<std::size_t>(std::min(options_.threads, units_.size()), 1, 16);
    std::vector<Part> parts(threads);
    std::vector<std::thread> running;
    for (std::size_t i = 1; i < threads; ++i) running.emplace_back([this, &part = parts[i]] { work(part); });
    work(parts[0]);
    for (auto& thread : running) thread.join();
    return merge(parts, std::move(result));
  }

 private:
  struct Found {
    Position at;
    std::size_t unit, event;
  };
  static bool newer(const Found& a, const Found& b) { return a.at > b.at; }
  struct Part {
    std::vector<Found> page;  // heap, the oldest on top
    std::uint64_t total = 0, read = 0;
    std::vector<std::uint64_t> histogram;
    std::array<Counts, kFieldCount> counts;
    std::vector<Damage> damage;
    bool partial = false;
  };

  void work(Part& part) {
    part.histogram.resize(options_.buckets);
    while (true) {
      const auto number = next_.fetch_add(1);
      if (number >= units_.size()) return;
      if (std::chrono::steady_clock::now() > deadline_) {
        part.partial = true;
        return;
      }
      const auto& unit = units_[number];
      const bool wanted = wants(part, unit);
      if (!wanted && !options_.statistics) continue;
      const auto done = look(part, number, wanted);
      if (done) continue;
      if (unit.block) part.damage.push_back(damage_of(unit, done.error()));
    }
  }

  static Damage damage_of(const Unit& unit, const Error& error) {
    const auto& info = unit.block->info;
    return {unit.segment->file().path().string(), error.code, info.first, info.first + info.count - 1};
  }

  // Whether the unit may still bring something to the page.
  bool wants(const Part& part, const Unit& unit) const {
    if (options_.limit == 0) return false;
    if (options_.before && unit.first_time > options_.before->time) return false;
    return part.page.size() < options_.limit || unit.last_time >= part.page.front().at.time;
  }

  Status look(Part& part, std::size_t number, bool wanted) {
    const auto& unit = units_[number];
    const auto source = unit.open();
    ++part.read;
    const auto found = MAMORI_TRY(matches(unit, *source, query_, options_.from, options_.to));
    const auto ones = found.ones();
    if (ones == 0) return {};
    if (options_.statistics) {
      part.total += ones;
      const auto first = bucket_of(std::max(unit.first_time, options_.from)),
                 last = bucket_of(std::min(unit.last_time, options_.to));
      if (first == last) {
        part.histogram[first] += ones;
      } else {
        const auto* times = MAMORI_TRY(source->times());
        found.each([&](std::size_t i) { ++part.histogram[bucket_of((*times)[i])]; });
      }
      for (const auto field : options_.count)
        MAMORI_TRY(count(*source, field, found, ones, part.counts[static_cast<std::size_t>(field)]));
    }
    if (!wanted) return {};
    const auto* times = MAMORI_TRY(source->times());
    found.each([&](std::size_t i) {
      const Found hit{{(*times)[i], unit.stream, unit.first + i}, number, i};
      if (options_.before && hit.at >= *options_.before) return;
      if (part.page.size() == options_.limit) {
        if (!newer(hit, part.page.front())) return;
        std::pop_heap(part.page.begin(), part.page.end(), newer);
        part.page.pop_back();
      }
      part.page.push_back(hit);
      std::push_heap(part.page.begin(), part.page.end(), newer);
    });
    return {};
  }

  // Where all events of a block match, its values say how many there are of each; codes are read only where
  // some match.
  static Status count(Source& source, Field field, const Bits& found, std::size_t ones, Counts& counts) {
    const auto& [values, all, bytes] = *MAMORI_TRY(source.values(field));
    std::vector<std::uint32_t> some;
    if (ones != found.size()) {
      some.resize(values.size());
      const auto& codes = *MAMORI_TRY(source.codes(field));
      found.each([&](std::size_t i) { ++some[codes[i]]; });
    }
    const auto& numbers = some.empty() ? all : some;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (numbers[i] == 0 || values[i].empty()) continue;
      if (const auto known = counts.find(values[i]); known != counts.end())
        known->second += numbers[i];
      else if (counts.size() < kMostDistinct)
        counts.emplace(values[i], numbers[i]);
    }
    return {};
  }

  std::size_t bucket_of(Instant time) const {
    const auto at = (to_millis(time) - to_millis(low_)) / width_;
    return static_cast<std::size_t>(
        std::clamp<std::int64_t>(at, 0, static_cast<std::int64_t>(options_.buckets) - 1));
  }

  Result<SearchResult> merge(std::vector<Part>& parts, SearchResult result) {
    std::vector<Found> page;
    std::vector<std::uint64_t> histogram(options_.buckets);
    std::array<Counts, kFieldCount> counts;
    for (auto& part : parts) {
      page.insert(page.end(), part.page.begin(), part.page.end());
      result.total += part.total;
      result.blocks_read += part.read;
      result.partial = result.partial || part.partial;
      for (std::size_t i = 0; i < histogram.size() && i < part.histogram.size(); ++i)
        histogram[i] += part.histogram[i];
      for (std::size_t f = 0; f < kFieldCount; ++f)
        for (const auto& [value, count] : part.counts[f]) counts[f][value] += count;
      result.damage.insert(result.damage.end(), part.damage.begin(), part.damage.end());
    }
    std::sort(page.begin(), page.end(), newer);
    result.more = page.size() > options_.limit || (options_.limit != 0 && page.size() == options_.limit);
    if (page.size() > options_.limit) page.resize(options_.limit);
    // The events of the page, block by block.
    std::unordered_map<std::size_t, std::pair<std::unique_ptr<Source>, std::shared_ptr<Arena>>> open;
    for (const auto& found : page) {
      auto& [source, arena] = open[found.unit];
      if (!source) {
        source = units_[found.unit].open();
        arena = std::make_shared<Arena>();
      }
      auto event = source->event(found.event, *arena);
      if (event) {
        result.hits.push_back({found.at, *event, arena});
      } else if (units_[found.unit].block) {
        // What the question needed of the block was whole, its text is not: said once, never left out in
        // silence.
        const auto damage = damage_of(units_[found.unit], event.error());
        if (std::none_of(result.damage.begin(), result.damage.end(), [&](const Damage& known) {
              return known.file == damage.file && known.first == damage.first;
            }))
          result.damage.push_back(damage);
      }
    }
    if (options_.statistics && !units_.empty())
      for (std::size_t i = 0; i < histogram.size(); ++i)
        result.histogram.push_back(
            {low_ + std::chrono::milliseconds(width_ * static_cast<std::int64_t>(i)), histogram[i]});
    for (std::size_t f = 0; f < kFieldCount; ++f) {
      std::vector<FieldCount> sorted;
      for (auto& [value, count] : counts[f]) sorted.push_back({value, count});
      const auto most = std::min(kMostCounted, sorted.size());
      std::partial_sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(most), sorted.end(),
                        [](const FieldCount& a, const FieldCount& b) {
                          return a.count != b.count ? a.count > b.count : a.value < b.value;
                        });
      sorted.resize(most);
      result.counts[f] = std::move(sorted);
    }
    return result;
  }

  std::span<const EmbeddedStream* const> streams_;
  const Query& query_;
  const SearchOptions& options_;
  std::vector<Unit> units_;
  std::atomic<std::size_t> next_{0};
  Instant low_;
  std::int64_t width_ = 1;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace

Result<SearchResult> search(std::span<const EmbeddedStream* const> streams, const Query& query,
                            const SearchOptions& options) {
  MAMORI_ASSERT(options.buckets > 0);
  return Search(streams, query, options).run();
}

bool matches(const Query& query, const Event& event) {
  const std::vector<Event> one = {event};
  RecordSource source(one);
  const auto found = answer(query, source, Bits(1, true));
  return found && !found->none();
}

Status each_match(const EmbeddedStream& stream, const Query& query, Instant from, Instant to, LeafIndex start,
                  const std::function<Result<bool>(LeafIndex, const Event&)>& take) {
  std::uint64_t all = 0;
  Status failed;
  auto units = units_of(0, stream.snapshot(), query, from, to, all, failed);
  MAMORI_TRY(failed);
  std::sort(units.begin(), units.end(), [](const Unit& a, const Unit& b) { return a.first < b.first; });
  for (const auto& unit : units) {
    if (unit.end() <= start) continue;
    const auto source = unit.open();
    const auto found = MAMORI_TRY(matches(unit, *source, query, from, to));
    bool go_on = true;
    found.each([&](std::size_t i) {
      if (!failed || !go_on || unit.first + i < start) return;
      Arena arena;
      const auto event = source->event(i, arena);
      if (!event) {
        failed = event.error();
        return;
      }
      const auto more = take(unit.first + i, *event);
      if (!more)
        failed = more.error();
      else
        go_on = *more;
    });
    MAMORI_TRY(failed);
    if (!go_on) return {};
  }
  return {};
}

}  // namespace mamori::archive
