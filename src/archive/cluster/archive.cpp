#include "archive/cluster/archive.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/cluster/query_sql.h"
#include "archive/cluster/schema.h"
#include "base/file.h"
#include "base/text.h"
#include "os/file.h"

namespace mamori::archive {
namespace {

// This writer's name: made once, kept beside the lock. Two servers never share one, or their trees would be
// one too.
Result<std::string> writer_of(const std::filesystem::path& directory, bool may_make) {
  const auto file = directory / "writer";
  if (const auto known = read_file(file, 64)) return std::string(trim(*known));
  if (!may_make) return std::string();
  const auto name = "w" + to_hex(random_bytes(4));
  MAMORI_TRY(os::write_file(file, name, os::Visibility::owner_only));
  return name;
}

int minor_version(std::string_view version) {
  const auto dot = version.find('.');
  const auto major = std::atoi(std::string(version.substr(0, dot)).c_str());
  return major * 100 + (dot == version.npos ? 0 : std::atoi(std::string(version.substr(dot + 1)).c_str()));
}

}  // namespace

Result<std::unique_ptr<ClusterArchive>> ClusterArchive::open(ClickHouseAddress address,
                                                             const std::filesystem::path& directory,
                                                             const SigningKey& key, const Clock& clock) {
  MAMORI_TRY(os::make_directory(directory));
  auto lock = MAMORI_TRY(os::Disk::real().lock(directory / "lock"));
  auto writer = MAMORI_TRY(writer_of(directory, lock != nullptr));
  std::unique_ptr<ClusterArchive> out(
      new ClusterArchive(std::move(address), std::move(lock), std::move(writer), key, clock));
  // Without the right to make tables an administrator has made them: what is missing shows at the first
  // question.
  auto probe = out->server_.address();
  probe.database = "default";  // ours may not be there yet
  const ClickHouse anyone(probe);
  std::string version;
  MAMORI_TRY(anyone.each("SELECT version()", [&](Rows& row) { version = row.text(); }));
  std::set<std::string> known;
  MAMORI_TRY(anyone.each(
      "SELECT name FROM system.tables WHERE database = " + sql_text(out->server_.address().database),
      [&](Rows& row) { known.emplace(row.text()); }));
  if (!out->read_only() && !has_all_tables(out->server_.address(), known))
    for (const auto& statement : schema_of(out->server_.address(), minor_version(version) >= 2010))
      MAMORI_TRY(out->server_.run(statement));
  return out;
}

Result<Stream*> ClusterArchive::stream(const StreamName& name) {
  const auto at = name.name.find('@');
  const auto writer = at == name.name.npos ? writer_ : name.name.substr(at + 1);
  if (!is_stream_name(name.facility) || !is_stream_name(name.base()) || !is_stream_name(writer))
    return Error{ErrorKind::invalid, "archive.stream.name", {{"name", name.name}}};
  const StreamName whole{name.facility, name.base() + "@" + writer};
  std::shared_future<Result<Stream*>> opening;
  std::promise<Result<Stream*>> opened;
  {
    const MutexLock lock(mutex_);
    if (const auto found = streams_.find(whole); found != streams_.end()) return found->second.get();
    if (const auto found = opening_.find(whole); found != opening_.end())
      opening = found->second;
    else
      opening_[whole] = opened.get_future().share();
  }
  if (opening.valid()) return opening.get();  // one opens for all who ask: a stream has one tree
  auto out = open_stream(whole, writer);
  const MutexLock lock(mutex_);
  opening_.erase(whole);
  if (out) streams_[whole] = std::move(*out);
  const auto answer = out ? Result<Stream*>(streams_[whole].get()) : Result<Stream*>(out.error());
  opened.set_value(answer);
  return answer;
}

Result<std::unique_ptr<ClusterStream>> ClusterArchive::open_stream(const StreamName& whole,
                                                                   const std::string& writer) const {
  const auto known = MAMORI_TRY(names());
  const bool ours = writer == writer_ && !read_only();
  if (std::find(known.begin(), known.end(), whole) == known.end()) {
    if (!ours) return Error{ErrorKind::not_found, "archive.stream.missing", {{"name", whole.name}}};
    std::string row;
    put_row(row, whole.facility);
    put_row(row, whole.base());
    put_row(row, writer);
    put_row(row, to_millis(clock_.now()));
    MAMORI_TRY(server_.put(server_.address().database + ".stream", row));
  }
  return ClusterStream::open(server_, {whole.facility, whole.base(), writer}, ours, key_, clock_);
}

Result<std::vector<StreamName>> ClusterArchive::names() const {
  std::vector<StreamName> out;
  MAMORI_TRY(
      server_.each("SELECT DISTINCT facility, stream, writer FROM " + server_.address().database + ".stream",
                   [&](Rows& row) {
                     const std::string facility(row.text()), stream(row.text()), writer(row.text());
                     out.push_back({facility, stream + "@" + writer});
                   }));
  std::sort(out.begin(), out.end());
  return out;
}

namespace {

constexpr std::size_t kFurther =
    2;  // rows asked for beyond a page, so that one that is there twice rarely costs a second question

// A search over one page of events and, on demand, their statistics. A row may be in the table twice (an
// insert whose answer was lost, offered again): it counts once.
class Searching {
 public:
  Searching(const ClickHouse& server, std::span<const Stream* const> streams, const Query& query,
            const SearchOptions& options)
      : server_(server),
        options_(options),
        table_(server.address().database + ".event"),
        stop_(std::chrono::steady_clock::now() + options.limit_time) {
    question_ = fmt::format("time >= {} AND time < {} AND {}", to_millis(options.from), to_millis(options.to),
                            condition_of(query));
    for (const auto* stream : streams) streams_.push_back(static_cast<const ClusterStream*>(stream));
  }

  // Which rows the streams have, and which of them more than once.
  Status look() {
    for (const auto* stream : streams_) {
      parts_.push_back(MAMORI_TRY(
          stream->rows_here(options_.statistics ? ClusterStream::Fresh::now : ClusterStream::Fresh::nearly)));
      const auto& part = parts_.back();
      all_ += (all_.empty() ? "((" : " OR (") + part.condition + ")";
      if (!part.doubled.empty())
        doubled_ += (doubled_.empty() ? "((" : " OR (") + part.condition + " AND " + part.doubled + ")";
    }
    all_ += ")";
    if (!doubled_.empty()) doubled_ += ")";
    return {};
  }

  Status page(SearchResult& out) const {
    for (std::size_t i = 0; i < parts_.size(); ++i) MAMORI_TRY(page_of(i, out));
    std::sort(out.hits.begin(), out.hits.end(), [](const Hit& a, const Hit& b) { return a.at > b.at; });
    out.more = out.hits.size() >= options_.limit;
    if (out.hits.size() > options_.limit) out.hits.resize(options_.limit);
    return {};
  }

  Status statistics(SearchResult& out) const {
    const auto from = each_once();
    std::int64_t low = 0, high = 0;
    MAMORI_TRY(each(fmt::format("SELECT count(), min(time), max(time) FROM {}", from.rows + from.where),
                    [&](Rows& row) {
                      out.total = row.number();
                      low = row.signed_number();
                      high = row.signed_number();
                    }));
    if (out.total == 0) return {};
    const auto buckets = static_cast<std::int64_t>(options_.buckets);
    const auto width = std::max<std::int64_t>(1, (high - low + buckets) / buckets);
    for (std::int64_t i = 0; i < buckets; ++i) out.histogram.push_back({from_millis(low + width * i), 0});
    MAMORI_TRY(each(
        fmt::format("SELECT toUInt64(intDiv(time - ({}), {})) AS bucket, count() FROM {} GROUP BY bucket",
                    low, width, from.rows + from.where),
        [&](Rows& row) {
          const auto bucket = std::min<std::uint64_t>(row.number(), options_.buckets - 1);
          out.histogram[bucket].count += row.number();
        }));
    if (options_.count.empty()) return {};
    std::string names, values;
    for (const auto field : options_.count) {
      names += (names.empty() ? "" : ", ") + sql_text(std::to_string(static_cast<int>(field)));
      values += (values.empty() ? "f_" : ", f_") + std::string(name_of(field));
    }
    const auto where = from.where.empty() ? std::string(" WHERE") : from.where + " AND";
    MAMORI_TRY(each(
        fmt::format("SELECT name, value, count() AS many FROM {} ARRAY JOIN [{}] AS name, [{}] AS value{} "
                    "notEmpty(value) GROUP BY name, value ORDER BY name, many DESC, value LIMIT {} BY name",
                    from.rows, names, values, where, kMostCounted),
        [&](Rows& row) {
          const auto field = static_cast<std::size_t>(std::atoi(std::string(row.text()).c_str()));
          std::string value(row.text());
          const auto many = row.number();
          if (field < kFieldCount) out.counts[field].push_back({std::move(value), many});
        }));
    for (auto& counts : out.counts)
      std::stable_sort(counts.begin(), counts.end(), [](const FieldCount& a, const FieldCount& b) {
        return a.count != b.count ? a.count > b.count : a.value < b.value;
      });
    return {};
  }

 private:
  struct From {
    std::string rows, where;
  };

  Result<std::chrono::milliseconds> left() const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(stop_ - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return Error{ErrorKind::unavailable,
                   "archive.cluster.slow",
                   {{"host", server_.address().servers.front()}, {"reason", ""}}};
    return left;
  }

  Status each(const std::string& statement, const std::function<void(Rows&)>& take) const {
    return server_.each(statement, take, MAMORI_TRY(left()));
  }

  // The matching rows, each once. Telling them apart costs memory for each: it is done only among those that
  // are there twice.
  From each_once() const {
    if (doubled_.empty()) return {table_, fmt::format(" WHERE {} AND {}", all_, question_)};
    std::string columns = "time";
    for (const auto field : options_.count) columns += ", f_" + std::string(name_of(field));
    const auto once = fmt::format("SELECT {} FROM {} WHERE {} AND NOT {} AND {}", columns, table_, all_,
                                  doubled_, question_);
    const auto twice = fmt::format(
        "SELECT {0} FROM (SELECT facility, stream, writer, leaf, {0} FROM {1} WHERE {2} AND {3} LIMIT 1 BY "
        "facility, stream, writer, leaf)",
        columns, table_, doubled_, question_);
    return {"(" + once + " UNION ALL " + twice + ")", ""};
  }

  Status page_of(std::size_t stream, SearchResult& out) const {
    auto before = older_than(stream);
    std::vector<Hit> found;
    for (bool more = true; more && found.size() < options_.limit;) {
      const auto wanted = options_.limit - found.size() + kFurther;
      auto bytes = std::make_shared<std::string>(MAMORI_TRY(server_.ask(
          fmt::format("SELECT {} FROM {} WHERE {} AND {}{} ORDER BY time DESC, leaf DESC LIMIT {}",
                      row_columns(), table_, parts_[stream].condition, question_, before, wanted),
          MAMORI_TRY(left()))));
      std::vector<Hit> some;
      Rows rows(*bytes);
      while (rows.next()) {
        const auto row = take_row(rows);
        some.push_back({{row.event.time, stream, row.leaf}, row.event, bytes});
      }
      if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.block.damaged"};
      more = some.size() == wanted;
      std::stable_sort(some.begin(), some.end(), [](const Hit& a, const Hit& b) { return a.at > b.at; });
      for (auto& hit : some)
        if (found.empty() || found.back().at != hit.at) found.push_back(std::move(hit));
      if (!found.empty()) before = below(found.back().at);
    }
    if (found.size() > options_.limit) found.resize(options_.limit);
    out.hits.insert(out.hits.end(), std::make_move_iterator(found.begin()),
                    std::make_move_iterator(found.end()));
    return {};
  }

  static std::string below(const Position& at) {
    const auto time = to_millis(at.time);
    return fmt::format(" AND (time < {} OR (time = {} AND leaf < {}))", time, time, at.index);
  }

  std::string older_than(std::size_t stream) const {
    const auto& before = options_.before;
    if (!before) return "";
    if (stream == before->stream) return below(*before);
    return fmt::format(" AND time {} {}", stream < before->stream ? "<=" : "<", to_millis(before->time));
  }

  const ClickHouse& server_;
  const SearchOptions& options_;
  const std::string table_;
  const std::chrono::steady_clock::time_point stop_;
  std::string question_, all_, doubled_;
  std::vector<const ClusterStream*> streams_;
  std::vector<ClusterStream::Part> parts_;
};

}  // namespace

Result<SearchResult> ClusterArchive::search(std::span<const Stream* const> streams, const Query& query,
                                            const SearchOptions& options) const {
  MAMORI_ASSERT(options.buckets > 0);
  SearchResult out;
  if (streams.empty()) return out;
  Searching searching(server_, streams, query, options);
  MAMORI_TRY(searching.look());
  if (options.limit != 0) MAMORI_TRY(searching.page(out));
  if (options.statistics) MAMORI_TRY(searching.statistics(out));
  return out;
}

Archive::Space ClusterArchive::space() const { return {}; }  // its servers watch their own disks

}  // namespace mamori::archive
