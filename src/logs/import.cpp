// A file of lines into the archive: cut here, normalised beside it, straight into blocks.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <thread>

#include "logs/logs.h"

#include "base/mutex.h"

namespace mamori::logs {
namespace {

constexpr std::size_t kMostNotes = 1000;

// A file as memory; the archive reads it once from front to end.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const Error failed{ErrorKind::not_found, "base.file.missing", {{"file", path.string()}}};
    if (file < 0) return failed;
    struct stat status {};
    if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(file);
      return Error{ErrorKind::unavailable,
                   "base.file.unreadable",
                   {{"file", path.string()}, {"reason", "not a regular file"}}};
    }
    MappedFile out;
    out.size_ = static_cast<std::size_t>(status.st_size);
    out.path_ = path;
    if (out.size_ != 0) {
      out.at_ = ::mmap(nullptr, out.size_, PROT_READ, MAP_PRIVATE, file, 0);
      if (out.at_ != MAP_FAILED) ::madvise(out.at_, out.size_, MADV_SEQUENTIAL);
    }
    ::close(file);
    if (out.size_ != 0 && out.at_ == MAP_FAILED) return failed;
    return out;
  }
  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)),
        at_(std::exchange(other.at_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (size_ != 0) ::munmap(at_, size_);
  }
  std::string_view bytes() const { return {static_cast<const char*>(at_), size_}; }
  // Whoever rotates logs may cut a file that is being read; what is gone must not be touched.
  Status still_whole() const {
    std::error_code failure;
    const auto now = std::filesystem::file_size(path_, failure);
    if (!failure && now >= size_) return {};
    return Error{ErrorKind::conflict, "collect.log.shrunk", {{"file", path_.string()}}};
  }
  // Gives back the memory of what has been read.
  void forget(std::size_t up_to) const {
    const auto whole = up_to / 4096 * 4096;
    if (whole != 0) ::madvise(at_, whole, MADV_DONTNEED);
  }

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

// The columns of a CSV file as the source declares them; its heading is taken off. None: a file of lines.
Result<std::optional<formats::Mapping>> mapping_of(const LogSource& source, std::string_view& rest,
                                                   std::size_t& line) {
  if (!source.mapping_problem.empty())
    return Error{ErrorKind::invalid, "collect.log.mapping", {{"entry", source.mapping_problem}}};
  const auto start = rest.find_first_not_of(" \t\r\n");
  if (!source.mapping || start == rest.npos || rest[start] == '{') return std::optional<formats::Mapping>();
  if (formats::is_numbered(*source.mapping)) return std::optional<formats::Mapping>(*source.mapping);
  const auto size = formats::csv_record(rest, archive::kLongestRaw);
  auto heading = rest.substr(0, size);
  while (heading.ends_with('\n') || heading.ends_with('\r')) heading.remove_suffix(1);
  auto mapping = MAMORI_TRY(formats::with_heading(*source.mapping, heading));
  rest.remove_prefix(size);
  ++line;
  return std::optional<formats::Mapping>(std::move(mapping));
}

}  // namespace

Result<Logs::FileResult> Logs::import_file(
    const LogSource& source, const std::filesystem::path& path,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  auto* stream = MAMORI_TRY(archive_.stream({source.facility, source.stream}));
  const auto file = MAMORI_TRY(MappedFile::open(path));
  auto rest = file.bytes();
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  FileResult out;
  std::size_t line = 0;
  const auto mapping = MAMORI_TRY(mapping_of(source, rest, line));
  const formats::Context context{ledger_.database().clock().now(),
                                 source.number,
                                 {},
                                 source.zone,
                                 mapping ? &*mapping : source.mapping.get()};
  std::vector<std::string_view> texts;
  // Lines are cut here; one thread beside it normalises batch after batch, and they go into the stream in
  // order.
  struct Job {
    std::vector<std::string_view> texts;
    std::shared_ptr<archive::Batch> batch;
    bool done = false;
  };
  Mutex mutex;
  CondVar changed;
  std::deque<std::shared_ptr<Job>> waiting, in_order;
  bool closed = false;
  const auto work = [&] {
    while (true) {
      std::shared_ptr<Job> job;
      {
        MutexLock lock(mutex);
        changed.wait(mutex, [&]() REQUIRES(mutex) { return closed || !waiting.empty(); });
        if (waiting.empty()) return;
        job = std::move(waiting.front());
        waiting.pop_front();
      }
      auto batch = std::make_shared<archive::Batch>();
      batch->events.resize(job->texts.size());
      std::size_t total = 0;
      for (const auto text : job->texts) total += text.size();
      char* to = batch->arena.space(total + 1);
      for (std::size_t i = 0; i < job->texts.size(); ++i) {
        std::copy(job->texts[i].begin(), job->texts[i].end(), to);
        batch->events[i].raw = {to, job->texts[i].size()};
        to += job->texts[i].size();
        formats::normalise(batch->events[i], context, batch->arena);
      }
      const MutexLock lock(mutex);
      job->batch = std::move(batch);
      job->done = true;
      changed.notify_all();
    }
  };
  std::thread second(work);
  Status failed;
  const auto hand_over = [&](std::size_t leave) {
    while (true) {
      std::shared_ptr<Job> job;
      {
        MutexLock lock(mutex);
        if (in_order.size() <= leave) return;
        changed.wait(mutex, [&]() REQUIRES(mutex) { return in_order.front()->done; });
        job = std::move(in_order.front());
        in_order.pop_front();
      }
      if (!failed) continue;
      out.events += job->batch->events.size();
      failed = stream->append_block(std::move(job->batch));
      if (progress)
        progress(static_cast<std::uint64_t>(job->texts.back().data() + job->texts.back().size() -
                                            file.bytes().data()),
                 file.bytes().size());
    }
  };
  std::size_t bytes = 0;
  const auto flush = [&] {
    if (texts.empty()) return;
    auto job = std::make_shared<Job>();
    job->texts = std::move(texts);
    texts = {};
    bytes = 0;
    {
      const MutexLock lock(mutex);
      waiting.push_back(job);
      in_order.push_back(job);
    }
    changed.notify_all();
    hand_over(2);
    if (!in_order.empty() && in_order.front()->texts.front().data() > file.bytes().data() + (64u << 20))
      file.forget(static_cast<std::size_t>(in_order.front()->texts.front().data() - file.bytes().data()) -
                  (32u << 20));
  };
  while (!rest.empty() && failed) {
    const auto end = mapping ? formats::csv_record(rest, archive::kLongestRaw)
                             : std::min(rest.find('\n'), rest.size() - 1) + 1;
    auto text = rest.substr(0, end);
    rest.remove_prefix(end);
    ++line;
    if (mapping) line += static_cast<std::size_t>(std::count(text.begin(), text.end() - 1, '\n'));
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) continue;
    if (text.size() > archive::kLongestRaw) {
      if (out.notes.size() < kMostNotes) out.notes.push_back({line, "archive.event.cut"});
      text = text.substr(0, archive::kLongestRaw);
    }
    texts.push_back(text);
    bytes += text.size();
    out.bytes += text.size();
    if (texts.size() != archive::kLargestBatch && bytes < archive::kBatchBytes) continue;
    flush();
    if (failed) failed = file.still_whole();
  }
  flush();
  hand_over(0);
  {
    const MutexLock lock(mutex);
    closed = true;
  }
  changed.notify_all();
  second.join();
  MAMORI_TRY(failed);
  MAMORI_TRY(stream->settle());
  return out;
}

}  // namespace mamori::logs
