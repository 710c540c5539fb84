#include "os/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
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

// In the child, where only calls are allowed that a signal could make.
[[noreturn]] void become(std::vector<char*>& argv, std::vector<char*>& envp, pid_t parent, int out, int err,
                         int failure) {
  ::setpgid(0, 0);  // so that a time-out ends its children too
  // Whatever ends us ends it: nobody takes over a scan whose first one still runs.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int in = ::open("/dev/null", O_RDONLY);
  if (in >= 0 && ::dup2(in, 0) >= 0 && ::dup2(out, 1) >= 0 && ::dup2(err, 2) >= 0)
    ::execvpe(argv[0], argv.data(), envp.data());
  const char why = 1;
  (void)!::write(failure, &why, 1);
  ::_exit(127);
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  MAMORI_ASSERT(!arguments.empty());
  const Facts facts = {{"program", arguments[0]}};
  Pipe out, err;
  if (!open_pipe(out) || !open_pipe(err)) return Error{ErrorKind::exhausted, "base.process.missing", facts};

  std::map<std::string, std::string> environment = {
      {"LANG", "C.UTF-8"}, {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
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

  // Tells why the program could not be started; closed by starting it.
  Pipe failure;
  if (!open_pipe(failure)) return Error{ErrorKind::exhausted, "base.process.missing", facts};
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return Error{ErrorKind::exhausted, "base.process.missing", facts};
  if (child == 0) become(argv, envp, parent, out.write, err.write, failure.write);
  failure.close_write();
  char why = 0;
  if (::read(failure.read, &why, 1) == 1) {
    ::waitpid(child, nullptr, 0);
    return Error{ErrorKind::unavailable, "base.process.missing", facts};
  }
  out.close_write();
  err.close_write();

  ProcessResult result;
  const auto deadline = std::chrono::steady_clock::now() + options.limit;
  const auto stop = [&](std::string code) {
    ::kill(-child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return Error{ErrorKind::unavailable,
                 std::move(code),
                 {{"program", arguments[0]}, {"seconds", std::to_string(options.limit.count() / 1000)}}};
  };
  pollfd watched[2] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}};
  int open = 2;
  while (open > 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) return stop("base.process.timeout");
    if (options.stop.stop_requested()) return stop("base.process.stopped");
    const int ready = ::poll(
        watched, 2, static_cast<int>(std::min<long long>(left, options.stop.stop_possible() ? 100 : 1000)));
    if (ready < 0 && errno != EINTR) return stop("base.process.timeout");
    for (int i = 0; i < 2; ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      char buffer[65536];
      const auto count = ::read(watched[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        auto& target = i == 0 ? result.out : result.err;
        if (i == 0 && target.size() + static_cast<std::size_t>(count) > options.largest_output)
          return stop("base.process.output");
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
