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

// This writer's name: made once, kept beside the lock. Two servers never share one, or their trees would be one too.
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

Result<std::unique_ptr<ClusterArchive>> ClusterArchive::open(ClickHouseAddress address, const std::filesystem::path& directory, const SigningKey& key, const Clock& clock) {
  MAMORI_TRY(os::make_directory(directory));
  auto lock = MAMORI_TRY(os::Disk::real().lock(directory / "lock"));
  auto writer = MAMORI_TRY(writer_of(directory, lock != nullptr));
  std::unique_ptr<ClusterArchive> out(new ClusterArchive(std::move(address), std::move(lock), std::move(writer), key, clock));
  // Without the right to make tables an administrator has made them: what is missing shows at the first question.
  const auto version = MAMORI_TRY([&]() -> Result<std::string> {
    auto probe = out->server_.address();
    probe.database = "default";  // ours may not be there yet
    const auto bytes = MAMORI_TRY(ClickHouse(probe).ask("SELECT version()"));
    return std::string(Rows(bytes).text());
  }());
  if (!out->read_only())
    for (const auto& statement : schema_of(out->server_.address(), minor_version(version) >= 2010)) MAMORI_TRY(out->server_.run(statement));
  return out;
}

Result<Stream*> ClusterArchive::stream(const StreamName& name) {
  const auto at = name.name.find('@');
  const auto writer = at == name.name.npos ? writer_ : name.name.substr(at + 1);
  if (!is_stream_name(name.facility) || !is_stream_name(name.base()) || !is_stream_name(writer)) return Error{ErrorKind::invalid, "archive.stream.name", {{"name", name.name}}};
  const StreamName whole{name.facility, name.base() + "@" + writer};
  const std::lock_guard lock(mutex_);
  if (const auto found = streams_.find(whole); found != streams_.end()) return found->second.get();
  const auto known = MAMORI_TRY(names());
  const bool ours = writer == writer_ && !read_only();
  if (std::find(known.begin(), known.end(), whole) == known.end()) {
    if (!ours) return Error{ErrorKind::not_found, "archive.stream.missing", {{"name", name.name}}};
    std::string row;
    put_row(row, name.facility);
    put_row(row, name.base());
    put_row(row, writer);
    put_row(row, to_millis(clock_.now()));
    MAMORI_TRY(server_.insert(server_.address().database + ".stream", row));
  }
  auto opened = MAMORI_TRY(ClusterStream::open(server_, {name.facility, name.base(), writer}, ours, key_, clock_));
  return (streams_[whole] = std::move(opened)).get();
}

Result<std::vector<StreamName>> ClusterArchive::names() const {
  std::vector<StreamName> out;
  const auto bytes = MAMORI_TRY(server_.ask("SELECT DISTINCT facility, stream, writer FROM " + server_.address().database + ".stream"));
  for (Rows rows(bytes); !rows.empty();) {
    const std::string facility(rows.text()), stream(rows.text()), writer(rows.text());
    out.push_back({facility, stream + "@" + writer});
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<SearchResult> ClusterArchive::search(std::span<const Stream* const> streams, const Query& query, const SearchOptions& options) const {
  MAMORI_ASSERT(options.buckets > 0);
  SearchResult out;
  const auto table = server_.address().database + ".event";
  const auto question = fmt::format(" AND time >= {} AND time < {} AND {}", to_millis(options.from), to_millis(options.to), condition_of(query));
  const auto stop = std::chrono::steady_clock::now() + options.limit_time;
  const auto ask = [&](const std::string& statement) -> Result<std::string> {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(stop - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Error{ErrorKind::unavailable, "archive.cluster.slow", {{"host", server_.address().servers.front()}, {"reason", ""}}};
    return server_.ask(statement, left);
  };
  std::vector<std::string> rows_of;
  std::string all;
  for (const auto* stream : streams) {
    rows_of.push_back(static_cast<const ClusterStream*>(stream)->rows_here() + question);
    all += (all.empty() ? "((" : " OR (") + static_cast<const ClusterStream*>(stream)->rows_here() + ")";
  }
  if (streams.empty()) return out;
  all += ")" + question;

  for (std::size_t i = 0; i < streams.size() && options.limit != 0; ++i) {
    auto condition = rows_of[i];
    if (const auto& before = options.before) {
      const auto time = to_millis(before->time);
      if (i < before->stream) condition += fmt::format(" AND time <= {}", time);
      else if (i > before->stream) condition += fmt::format(" AND time < {}", time);
      else condition += fmt::format(" AND (time < {} OR (time = {} AND leaf < {}))", time, time, before->index);
    }
    auto bytes = std::make_shared<std::string>(MAMORI_TRY(ask(fmt::format("SELECT {} FROM {} WHERE {} ORDER BY time DESC, leaf DESC LIMIT {}", row_columns(), table, condition, options.limit))));
    for (Rows rows(*bytes); !rows.empty();) {
      const auto row = take_row(rows);
      if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.block.damaged"};
      out.hits.push_back({{row.event.time, i, row.leaf}, row.event, bytes});
    }
  }
  std::sort(out.hits.begin(), out.hits.end(), [](const Hit& a, const Hit& b) { return a.at > b.at; });
  out.more = options.limit != 0 && out.hits.size() >= options.limit;
  if (out.hits.size() > options.limit) out.hits.resize(options.limit);
  if (!options.statistics) return out;

  const auto range = MAMORI_TRY(ask(fmt::format("SELECT count(), min(time), max(time) FROM {} WHERE {}", table, all)));
  Rows ends(range);
  out.total = ends.number();
  const auto low = ends.signed_number(), high = ends.signed_number();
  if (out.total == 0) return out;
  const auto width = std::max<std::int64_t>(1, (high - low + static_cast<std::int64_t>(options.buckets)) / static_cast<std::int64_t>(options.buckets));
  for (std::size_t i = 0; i < options.buckets; ++i) out.histogram.push_back({from_millis(low + width * static_cast<std::int64_t>(i)), 0});
  const auto histogram = MAMORI_TRY(ask(fmt::format("SELECT toUInt64(intDiv(time - ({}), {})) AS bucket, count() FROM {} WHERE {} GROUP BY bucket", low, width, table, all)));
  for (Rows rows(histogram); !rows.empty();) {
    const auto bucket = std::min<std::uint64_t>(rows.number(), options.buckets - 1);
    out.histogram[bucket].count += rows.number();
  }
  if (options.count.empty()) return out;
  std::string names, values;
  for (const auto field : options.count) {
    names += (names.empty() ? "" : ", ") + sql_text(std::to_string(static_cast<int>(field)));
    values += (values.empty() ? "f_" : ", f_") + std::string(name_of(field));
  }
  const auto counts = MAMORI_TRY(ask(fmt::format("SELECT name, value, count() AS many FROM {} ARRAY JOIN [{}] AS name, [{}] AS value WHERE {} AND notEmpty(value) GROUP BY name, value ORDER BY name, many DESC, value LIMIT {} BY name", table, names, values, all, kMostCounted)));
  for (Rows rows(counts); !rows.empty();) {
    const auto field = static_cast<std::size_t>(std::atoi(std::string(rows.text()).c_str()));
    std::string value(rows.text());
    const auto many = rows.number();
    if (field < kFieldCount) out.counts[field].push_back({std::move(value), many});
  }
  return out;
}

Archive::Space ClusterArchive::space() const { return {}; }  // its servers watch their own disks

}  // namespace mamori::archive
