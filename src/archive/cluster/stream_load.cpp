// What a cluster stream knows of its rows: read when it is opened, and read on for streams of other servers.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "archive/cluster/stream.h"

namespace mamori::archive {
namespace {

constexpr LeafIndex kReadAtOnce = 32 * kChunk;
constexpr std::uint64_t kChunksAtOnce = 1'000'000;
constexpr auto kLongReading = std::chrono::minutes(10);
// Rows come nearly in the order of their receipt, by which the table is sorted. What is older than this (a
// clock was set back) is found when a head or what follows shows a hole, or at the next look everywhere.
constexpr auto kReceivedLate = std::chrono::minutes(10);
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr auto kLookEverywhereEvery = std::chrono::seconds(60);
constexpr auto kLookAtDamageEvery = std::chrono::seconds(60);
constexpr auto kEarlierInserts = std::chrono::seconds(30);

constexpr auto kLookForDoublesEvery = std::chrono::seconds(30);
constexpr LeafIndex kWindow = 65536;

// Of first … end - 1, modulo 2^64 as the server sums.
std::uint64_t sum_of(LeafIndex first, LeafIndex end) {
  const auto up_to = [](std::uint64_t n) {
    return n == 0 ? 0 : n % 2 == 0 ? n / 2 * (n - 1) : (n - 1) / 2 * n;
  };
  return up_to(end) - up_to(first);
}

struct Leaf {
  LeafIndex index = 0;
  std::uint64_t life = 0;
  Hash hash{};
  Instant received;
  std::uint64_t bytes = 0;
};

struct ChunkRow {
  std::uint64_t number = 0;
  Hash root{};
  std::uint64_t bytes = 0;
  Instant first_received, last_received;
};

template <class Row, class Key>
void sort_by(std::vector<Row>& rows, Key key) {
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return a.*key < b.*key; });
}

}  // namespace

void ClusterStream::add(State& state, std::span<const Hash> leaves,
                        std::span<const std::pair<Instant, std::uint64_t>> received) {
  while (!leaves.empty()) {
    const auto some = std::min<std::size_t>(leaves.size(), kChunk - state.tree.size() % kChunk);
    state.tree.append(leaves.first(some));
    leaves = leaves.subspan(some);
    for (const auto& [at, bytes] : received.first(std::min(some, received.size()))) {
      auto& open = state.open;
      if (open.first_received == Instant{}) open.first_received = open.last_received = at;
      open.first_received = std::min(open.first_received, at);
      open.last_received = std::max(open.last_received, at);
      open.bytes += bytes;
      state.newest = std::max(state.newest, at);
    }
    received = received.subspan(std::min(some, received.size()));
    if (state.tree.size() % kChunk == 0) state.chunks.push_back(std::exchange(state.open, {}));
  }
}

Status ClusterStream::in_pieces(LeafIndex low, LeafIndex end,
                                const std::function<Status(LeafIndex, LeafIndex)>& read) {
  for (auto step = kReadAtOnce; low < end;) {
    const auto high = std::min(low + step, end);
    auto done = read(low, high);
    if (!done && done.error().code == "archive.cluster.large" && step > 1) {
      step = std::max<LeafIndex>(1, step / 8);
      continue;
    }
    MAMORI_TRY(std::move(done));
    low = high;
  }
  return {};
}

Result<bool> ClusterStream::read_events(State& state, SharedMutex& guard, LeafIndex end, bool over_holes,
                                        const std::string& within) const {
  bool whole = true;
  const auto from = [&] {
    const ReaderLock lock(guard);
    return state.tree.size();
  }();
  MAMORI_TRY(in_pieces(from, end, [&](LeafIndex low, LeafIndex high) -> Status {
    if (!whole) return {};
    std::vector<Leaf> found;
    const auto statement = fmt::format(
        "SELECT leaf, batch, received, f_source, raw FROM {} WHERE {} AND leaf >= {} AND leaf < {}{}",
        table("event"), here(), low, high, within);
    MAMORI_TRY(server_.each(
        statement + " ORDER BY leaf, batch DESC LIMIT 1 BY leaf",
        [&](Rows& row) {
          Leaf leaf;
          leaf.index = row.number();
          leaf.life = life_of(row.number());
          leaf.received = from_millis(row.signed_number());
          const auto source = row.text(), raw = row.text();
          leaf.hash = hash_leaf(leaf_of(leaf.received, source, raw));
          leaf.bytes = raw.size();
          found.push_back(leaf);
        },
        kLongReading));
    sort_by(found, &Leaf::index);
    found.push_back({high});  // the end shows a hole before it
    const WriterLock lock(guard);
    for (const auto& leaf : found) {
      if (leaf.index < high && leaf.life < state.life) continue;  // it came in late
      const auto size = state.tree.size();
      if (leaf.index > size) {
        whole = over_holes;
        if (!whole) return {};
        state.damage.push_back({table("event"), "archive.damage.missing", size, leaf.index - 1});
        add(state, std::vector<Hash>(leaf.index - size), {});
      }
      if (leaf.index < state.tree.size() || leaf.index == high) continue;
      const std::pair<Instant, std::uint64_t> one[] = {{leaf.received, leaf.bytes}};
      add(state, {&leaf.hash, 1}, one);
      state.life = leaf.life;
    }
    return {};
  }));
  return whole;
}

Result<LeafIndex> ClusterStream::end_of_rows(TreeSize size, std::uint64_t life,
                                             const std::string& within) const {
  auto end = size;
  const auto statement = fmt::format(
      "SELECT intDiv(batch, {}) AS life, max(leaf) FROM {} WHERE {} AND leaf >= {}{} GROUP BY life",
      std::uint64_t{1} << kLifeBits, table("event"), here(), size, within);
  MAMORI_TRY(server_.each(
      statement,
      [&](Rows& row) {
        const auto of = row.number(), last = row.number();
        if (of < life) return;
        end = of > life ? last + 1 : std::max(end, last + 1);
        life = of;
      },
      kLongReading));
  return end;
}

// Of the last row that the rows of chunks stand for; it is gone where retention has removed all of them.
Result<std::uint64_t> ClusterStream::life_at(const State& state) const {
  if (state.tree.size() == 0 || state.tree.size() <= state.first) return std::uint64_t{0};
  const auto& chunk = state.chunks.back();
  return life_of(MAMORI_TRY(server_.number(
      fmt::format("SELECT max(batch) FROM {} WHERE {} AND leaf = {} AND received >= {} AND received <= {}",
                  table("event"), here(), state.tree.size() - 1, to_millis(chunk.first_received),
                  to_millis(chunk.last_received)))));
}

Result<bool> ClusterStream::read_on(State& state, SharedMutex& guard, bool everywhere) const {
  std::string newer_heads;
  TreeSize size = 0;
  std::uint64_t chunks = 0;
  {
    const ReaderLock lock(guard);
    size = state.tree.size();
    chunks = state.chunks.size();
    if (!state.heads.empty()) newer_heads = " AND size > " + std::to_string(state.heads.back().size);
  }
  const bool anew = size == 0;
  // Heads first: what they promise must be among the events, which are read after them.
  std::vector<Head> heads;
  std::vector<Damage> damage;
  MAMORI_TRY(server_.each("SELECT note FROM " + table("head") + " WHERE " + here() + newer_heads +
                              " ORDER BY size LIMIT 1 BY size",
                          [&](Rows& row) {
                            if (auto head = parse_head(row.text()))
                              heads.push_back(std::move(*head));
                            else
                              damage.push_back({table("head"), "archive.damage.head", 0, 0});
                          }));
  sort_by(heads, &Head::size);
  const auto first =
      MAMORI_TRY(server_.number("SELECT max(first) FROM " + table("retained") + " WHERE " + here()));

  std::vector<ChunkRow> rows;
  for (bool more = true; more;) {
    const auto from = chunks + rows.size();
    std::vector<ChunkRow> some;
    const auto statement = fmt::format(
        "SELECT number, root, bytes, first_received, last_received FROM {} WHERE {} AND number >= {} AND "
        "number < {}",
        table("chunk"), here(), from, from + kChunksAtOnce);
    MAMORI_TRY(server_.each(
        statement + " ORDER BY number LIMIT 1 BY number",
        [&](Rows& row) {
          const auto number = row.number();
          const auto root = row.hash();
          const auto bytes = row.number();
          const auto since = from_millis(row.signed_number());
          some.push_back({number, root, bytes, since, from_millis(row.signed_number())});
        },
        kLongReading));
    sort_by(some, &ChunkRow::number);
    // What follows a hole is made from the events again.
    for (const auto& row : some)
      if (row.number == chunks + rows.size()) rows.push_back(row);
    more = chunks + rows.size() == from + kChunksAtOnce;
  }
  std::span<const ChunkRow> whole_chunks = rows;
  if (!rows.empty() && size % kChunk != 0) {
    // The chunk that was open when we looked last is known in part.
    if (first > size) return false;
    if (!MAMORI_TRY(read_events(state, guard, (chunks + 1) * kChunk, false, ""))) return false;
    whole_chunks = whole_chunks.subspan(1);
  }
  std::string within;
  {
    const WriterLock lock(guard);
    state.first = first;
    for (const auto& row : whole_chunks) {
      state.tree.append_chunk(row.root);
      state.chunks.push_back({row.bytes, row.first_received, row.last_received});
      state.newest = std::max(state.newest, row.last_received);
    }
    state.known_chunks = state.chunks.size();
    // Of events that are gone only the rows of their chunks could tell.
    if (anew && state.tree.size() < first)
      state.damage.push_back({table("chunk"), "archive.damage.missing", state.tree.size(), first - 1});
    for (; anew && state.tree.size() < first; state.chunks.emplace_back()) state.tree.append_chunk(Hash{});
    size = state.tree.size();
    if (!everywhere) within = " AND received >= " + std::to_string(to_millis(state.newest - kReceivedLate));
  }

  // The rest from the events themselves.
  if (anew) {
    const auto before = MAMORI_TRY(life_at(state));
    const WriterLock lock(guard);
    state.life = before;
  }
  const auto life = [&] {
    const ReaderLock lock(guard);
    return state.life;
  }();
  const auto end = MAMORI_TRY(end_of_rows(size, life, within));
  if (!MAMORI_TRY(read_events(state, guard, end, anew, within))) return false;
  const WriterLock lock(guard);
  state.damage.insert(state.damage.end(), damage.begin(), damage.end());
  // What a head promises and the events do not keep shows when the stream is read anew.
  if (!anew && !heads.empty() && heads.back().size > state.tree.size()) return false;
  state.heads.insert(state.heads.end(), std::make_move_iterator(heads.begin()),
                     std::make_move_iterator(heads.end()));
  return true;
}

Result<ClusterStream::State> ClusterStream::load() const {
  State state;
  SharedMutex nobody_else;
  MAMORI_TRY(read_on(state, nobody_else, true));
  return state;
}

Result<std::vector<ClusterStream::Doubled>> ClusterStream::find_doubled(LeafIndex first,
                                                                        LeafIndex end) const {
  // Where: the windows with more rows than leaves. Which: of those, leaf by leaf.
  std::vector<LeafIndex> windows;
  const auto rows =
      fmt::format(" FROM {} WHERE {} AND leaf >= {} AND leaf < {}", table("event"), here(), first, end);
  MAMORI_TRY(server_.each(
      fmt::format("SELECT intDiv(leaf, {}) AS window, count(), sum(leaf){} GROUP BY window", kWindow, rows),
      [&](Rows& row) {
        const auto window = row.number(), count = row.number(), sum = row.number();
        const auto low = std::max(first, window * kWindow), high = std::min(end, (window + 1) * kWindow);
        if (count != high - low || sum != sum_of(low, high)) windows.push_back(window);
      },
      kLongReading));
  std::vector<Doubled> out;
  std::sort(windows.begin(), windows.end());
  for (const auto window : windows) {
    std::vector<Doubled> some;
    MAMORI_TRY(server_.each(
        fmt::format("SELECT leaf, max(batch){} AND leaf >= {} AND leaf < {} GROUP BY leaf HAVING count() > 1",
                    rows, window * kWindow, (window + 1) * kWindow),
        [&](Rows& row) {
          const auto leaf = row.number();
          some.push_back({leaf, leaf, life_of(row.number()) << kLifeBits});
        },
        kLongReading));
    sort_by(some, &Doubled::first);
    for (const auto& one : some) {
      if (!out.empty() && out.back().last + 1 == one.first && out.back().batch == one.batch)
        out.back().last = one.last;
      else
        out.push_back(one);
    }
  }
  return out;
}

Result<std::vector<ClusterStream::Doubled>> ClusterStream::doubled_in(LeafIndex first, LeafIndex end,
                                                                      Fresh fresh) const {
  const auto now = std::chrono::steady_clock::now();
  Doubles known;
  {
    const ReaderLock lock(state_mutex_);
    known = doubles_;
  }
  if (fresh == Fresh::nearly && known.found != std::chrono::steady_clock::time_point() &&
      now - known.found < kLookForDoublesEvery)
    return known.doubled;
  std::uint64_t rows = 0, sum = 0;
  MAMORI_TRY(server_.each(
      fmt::format("SELECT count(), sum(leaf) FROM {} WHERE {} AND leaf >= {} AND leaf < {}", table("event"),
                  here(), first, end),
      [&](Rows& row) {
        rows = row.number();
        sum = row.number();
      },
      kLongReading));
  rows -= end - first;
  sum -= sum_of(first, end);
  if (rows != known.rows || sum != known.sum)
    known.doubled = rows == 0 && sum == 0 ? std::vector<Doubled>() : MAMORI_TRY(find_doubled(first, end));
  known.rows = rows;
  known.sum = sum;
  known.found = now;
  const WriterLock lock(state_mutex_);
  doubles_ = known;
  return known.doubled;
}

Status ClusterStream::is_all(const State& state) const {
  const auto behind = [&](LeafIndex there) {
    return Error{ErrorKind::unavailable,
                 "archive.cluster.behind",
                 {{"stream", origin_},
                  {"events", std::to_string(state.tree.size())},
                  {"promised", std::to_string(there)}}};
  };
  if (!state.heads.empty() && state.heads.back().size > state.tree.size())
    return behind(state.heads.back().size);
  if (state.known_chunks * kChunk < state.first) return behind(state.first);
  const auto& address = server_.address();
  for (std::size_t server = 0; server < address.servers.size(); ++server) {
    // Each server answers for a shard that it holds itself from its own replica: the one that is asked may be
    // behind the others.
    const auto ask = [&](const std::string& statement) -> Result<std::uint64_t> {
      auto answer = server_.number_at(server, statement);
      if (answer || answer.error().code == "archive.cluster.refused") return answer;
      return std::uint64_t{0};  // what only a server has that is away is not durable without a quorum
    };
    if (address.servers.size() > 1) {
      const auto end =
          MAMORI_TRY(ask(fmt::format("SELECT if(count() = 0, toUInt64(0), max(leaf) + 1) FROM {} WHERE {} "
                                     "AND leaf >= {} AND batch >= {}",
                                     table("event"), here(), state.tree.size(), state.life << kLifeBits)));
      if (end > state.tree.size()) return behind(end);
    }
    if (address.quorum == 0 || address.cluster.empty()) continue;
    // An insert that not enough replicas have yet may still come to count, or vanish.
    const auto path = server_.text_at(
        server,
        fmt::format("SELECT zookeeper_path FROM system.replicas WHERE database = {} AND table = 'event_rows'",
                    sql_text(address.database)));
    if (!path || path->empty()) continue;
    const auto waiting =
        MAMORI_TRY(ask("SELECT count() FROM system.zookeeper WHERE path = " + sql_text(*path + "/quorum") +
                       " AND name = 'status'"));
    if (waiting > 0) return Error{ErrorKind::unavailable, "archive.cluster.unsettled", {{"stream", origin_}}};
  }
  return {};
}

std::string ClusterStream::insert_names() const {
  return "mamori/" + place_.writer + "/" + place_.facility + "/" + place_.stream + "/";
}

// What this writer's last life sent may still be on its way into the table, and would come in under numbers
// that this one gives.
Status ClusterStream::wait_for_earlier_inserts() const {
  const auto names = insert_names();
  const auto running = fmt::format("substring(initial_query_id, 1, {}) = {}", names.size(), sql_text(names));
  const auto stop = std::chrono::steady_clock::now() +
                    std::min<std::chrono::milliseconds>(kEarlierInserts, server_.address().limit);
  for (std::size_t server = 0; server < server_.address().servers.size(); ++server) {
    while (server_.number_at(server, "SELECT count() FROM system.processes WHERE " + running).value_or(0) >
           0) {
      if (std::chrono::steady_clock::now() > stop) {
        // It waits for the rest of rows that nobody sends any more.
        (void)server_.run("KILL QUERY WHERE " + running + " ASYNC").has_value();
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  return {};
}

// Rows that came in late may have been read before those that count in their place: the writer's next head
// shows it.
Result<bool> ClusterStream::fits_newest_head() const {
  Head head;
  TreeView tree;
  {
    const ReaderLock lock(state_mutex_);
    if (state_.heads.empty() || state_.heads.back().size == checked_head_ ||
        state_.heads.back().size < state_.first)
      return true;
    head = state_.heads.back();
    tree = state_.tree.view();
  }
  checked_head_ = head.size;  // once: where it is damage, verify() names it
  const auto root =
      tree.root_at(head.size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
  if (!root && root.error().kind == ErrorKind::unavailable) return root.error();
  return root && *root == head.root;
}

Status ClusterStream::look() const {
  if (writes_) return {};
  {
    const ReaderLock lock(state_mutex_);
    if (std::chrono::steady_clock::now() - looked_ < kLookEvery) {
      if (away_)
        return Error{ErrorKind::unavailable,
                     "archive.cluster.unreachable",
                     {{"host", server_.address().servers.front()}, {"reason", ""}}};
      return {};
    }
  }
  if (looking_.exchange(true)) return {};  // somebody is asking already; until then what is known holds
  auto done = [&]() -> Status {
    const auto now = std::chrono::steady_clock::now();
    bool everywhere = now - everywhere_ > kLookEverywhereEvery;
    bool whole = MAMORI_TRY(read_on(known(), state_mutex_, everywhere));
    if (!whole && !everywhere) whole = MAMORI_TRY(read_on(known(), state_mutex_, everywhere = true));
    if (whole) whole = MAMORI_TRY(fits_newest_head());
    if (everywhere) everywhere_ = now;
    {
      const ReaderLock lock(state_mutex_);
      if (whole && (state_.damage.empty() || std::chrono::steady_clock::now() - loaded_ < kLookAtDamageEvery))
        return {};
    }
    auto fresh = MAMORI_TRY(load());
    const WriterLock lock(state_mutex_);
    state_ = std::move(fresh);
    loaded_ = std::chrono::steady_clock::now();
    return {};
  }();
  const WriterLock lock(state_mutex_);
  looked_ = std::chrono::steady_clock::now();
  away_ = !done;
  looking_ = false;
  return done;
}

}  // namespace mamori::archive
