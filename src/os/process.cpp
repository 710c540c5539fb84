#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mamori::os {
namespace {

constexpr std::size_t kLargestErr = 64u << 10;

struct Pipe {
  int read = -1;
  int write = -1;
  ~Pipe() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
  void close_write() {
    ::close(write);
    write = -1;
  }
};

bool open_pipe(Pipe& pipe) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe.read = ends[0];
  pipe.write = ends[1];
  return true;
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  MAMORI_ASSERT(!arguments.empty());
  const Facts facts = {{"program", arguments[0]}};
  Pipe out, err;
  if (!open_pipe(out) || !open_pipe(err)) return Error{ErrorKind::exhausted, "base.process.missing", facts};

  std::map<std::string, std::string> environment = {{"LANG", "C.UTF-8"}, {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
  if (const char* home = std::getenv("HOME")) environment["HOME"] = home;
  for (const auto& [key, value] : options.environment) environment[key] = value;
  std::vector<std::string> pairs;
  for (const auto& [key, value] : environment) pairs.push_back(key + "=" + value);
  std::vector<char*> envp;
  for (auto& pair : pairs) envp.push_back(pair.data());
  envp.push_back(nullptr);
  auto words = arguments;
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, 1);
  posix_spawn_file_actions_adddup2(&actions, err.write, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // so that a time-out ends its children too
  pid_t child = 0;
  const int failure = posix_spawnp(&child, argv[0], &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) return Error{ErrorKind::unavailable, "base.process.missing", facts};
  out.close_write();
  err.close_write();

  ProcessResult result;
  const auto deadline = std::chrono::steady_clock::now() + options.limit;
  const auto stop = [&](std::string code) {
    ::kill(-child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return Error{ErrorKind::unavailable, std::move(code),
                 {{"program", arguments[0]}, {"seconds", std::to_string(options.limit.count() / 1000)}}};
  };
  pollfd watched[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};
  int open = 2;
  while (open > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return stop("base.process.timeout");
    if (options.stop.stop_requested()) return stop("base.process.stopped");
    const int ready = ::poll(watched, 2, static_cast<int>(std::min<long long>(left, options.stop.stop_possible() ? 100 : 1000)));
    if (ready < 0 && errno != EINTR) return stop("base.process.timeout");
    for (int i = 0; i < 2; ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      char buffer[65536];
      const auto count = ::read(watched[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        auto& target = i == 0 ? result.out : result.err;
        if (i == 0 && target.size() + static_cast<std::size_t>(count) > options.largest_output) return stop("base.process.output");
        if (i == 0 || target.size() < kLargestErr) target.append(buffer, static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        watched[i].fd = -1;
        --open;
      }
    }
  }
  int status = 0;
  while (true) {
    const auto ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) break;
    if (std::chrono::steady_clock::now() > deadline) return stop("base.process.timeout");
    if (options.stop.stop_requested()) return stop("base.process.stopped");
    ::usleep(2000);
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace mamori::os
