// Work beside other work: jobs on two servers, and long answers beside the intake of logs.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "base/mutex.h"
#include "jobs/jobs.h"
#include "marks.h"
#include "os/process.h"
#include "testing/child.h"
#include "testing/postgres.h"

namespace mamori::bench {
namespace {

constexpr int kJobs = 1000;
constexpr std::size_t kExports = 200;
constexpr std::chrono::seconds kWatched{6};

std::string told(const std::vector<std::string>& words) {
  return must(os::run_process(words, {.limit = std::chrono::seconds(60)})).out;
}

// A server with the demonstration hospital, its manager signed in.
struct Server {
  Server(const std::string& program) {
    const auto data = (folder.path() / "data").string();
    std::istringstream lines(told({program, "demo", "--data", data}));
    std::string text, password;
    while (std::getline(lines, text)) {
      std::istringstream words(text);
      std::string login, secret;
      if (words >> login >> secret && login == "manager") password = secret;
    }
    child.emplace(std::vector<std::string>{program, "serve", "--data", data, "--port", std::to_string(port),
                                           "--syslog-tcp", std::to_string(syslog)});
    for (int i = 0; i < 1000 && ask("/healthz").empty(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    told({"curl", "-s", "-c", jar(), "-H", "x-mamori: 1", "-H", "content-type: application/json", "-d",
          json::serialize(json::object{{"login", "manager"}, {"password", password}}),
          url("/api/v1/session")});
    const auto me = must(parse_json_object(ask("/api/v1/session")));
    facility = me.at("facilities").at(0).at("id").as_string();
  }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port) + path; }
  std::string jar() const { return folder.path() / "jar"; }
  std::string ask(const std::string& path) const {
    const auto answer = os::run_process({"curl", "-s", "-b", jar(), url(path)});
    return answer ? answer->out : "";
  }
  double events() const {
    constexpr std::string_view kName = "\nmamori_log_events_total ";
    const auto text = ask("/metrics");
    const auto at = text.find(kName);
    return at == text.npos ? 0 : std::strtod(text.c_str() + at + kName.size(), nullptr);
  }

  TemporaryFolder folder;
  int port = testing::free_port(), syslog = testing::free_port();
  std::string facility;
  std::optional<testing::Child> child;
};

// Sends as fast as it is read, until it is told to end.
void send_lines(int port, const std::atomic<bool>& ends) {
  const int line = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(line, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
  std::string many;
  for (int i = 0; i < 500; ++i)
    many += fmt::format(
        "<134>1 2026-11-27T09:{:02}:{:02}Z pacs01 viewer {} - - user=u{} action=open patient={:06} "
        "result=success\n",
        i / 60, i % 60, i, i % 40, i * 37);
  while (!ends) {
    for (std::size_t sent = 0; sent < many.size();) {
      const auto now = ::send(line, many.data() + sent, many.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return static_cast<void>(::close(line));
      sent += static_cast<std::size_t>(now);
    }
  }
  ::close(line);
}

struct Seen {
  double events_per_second, health_ms;  // of /healthz, what 19 of 20 take at most
};

Seen watch(const Server& server) {
  std::this_thread::sleep_for(std::chrono::seconds(1));  // what is on its way
  const auto start = Steady::now();
  const auto before = server.events();
  std::vector<double> health;
  while (Steady::now() - start < kWatched)
    health.push_back(
        1000 *
        std::strtod(
            told({"curl", "-s", "-o", "/dev/null", "-w", "%{time_total}", server.url("/healthz")}).c_str(),
            nullptr));
  const auto after = server.events();
  const auto seconds = std::chrono::duration<double>(Steady::now() - start).count();
  std::sort(health.begin(), health.end());
  return {(after - before) / seconds, health[health.size() * 19 / 20]};
}

}  // namespace

void measure_jobs() {
  SystemClock clock;
  testing::FreshDatabase database(store::Engine::postgresql, clock);
  const auto other = must(store::Database::open(database.url(), clock));
  std::vector<jobs::Task> tasks;
  for (int i = 0; i < kJobs; ++i) tasks.push_back({"f", std::to_string(i), "", std::chrono::hours(1), {}});
  Mutex mutex;
  std::map<std::string, int> runs;
  std::atomic<int> done{0};
  std::vector<std::unique_ptr<jobs::Jobs>> servers;
  for (auto* one : {&*database, other.get()}) {
    auto& jobs = servers.emplace_back(must(jobs::Jobs::open(*one)));
    jobs::Kind kind;
    kind.name = "logs.measure";
    kind.tasks = [&] { return Result<std::vector<jobs::Task>>(tasks); };
    kind.work = [&](jobs::Turn& turn) -> Result<jobs::Done> {
      const MutexLock lock(mutex);
      ++runs[turn.job().task.subject];
      ++done;
      return jobs::Done{};
    };
    jobs->add(std::move(kind));
  }
  const double all = milliseconds([&] {
    must(servers[0]->start({.home = "one"}));
    must(servers[1]->start({.home = "two"}));
    while (done < kJobs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  for (auto& server : servers) server->stop();
  for (auto& server : servers) server->join();
  int twice = 0;
  for (const auto& [subject, times] : runs) twice += times == 1 ? 0 : 1;
  // Each job is at least a transaction that takes it and one that says how it ended.
  const double alone = milliseconds([&] {
    for (int i = 0; i < kJobs * 2; ++i) {
      auto transaction = must(database->begin());
      must(transaction->execute("UPDATE job SET done = ? WHERE id = (SELECT MIN(id) FROM job)", {i}));
      must(transaction.commit());
    }
  });
  line("1,000 jobs due at once on two servers of one PostgreSQL", all, "ms", 60'000,
       "2,000 small transactions", alone);
  line("jobs of them not run exactly once", twice, "", 0, "jobs", kJobs);
}

void measure_lanes(const std::string& program) {
  const Server server(program);
  std::atomic<bool> ends{false};
  std::vector<std::thread> senders;
  for (int i = 0; i < 2; ++i) senders.emplace_back([&] { send_lines(server.syslog, ends); });
  const auto alone = watch(server);
  std::atomic<std::size_t> made{0};
  std::thread exports([&] {
    std::vector<std::string> words = {"curl",
                                      "-s",
                                      "-b",
                                      server.jar(),
                                      "--parallel",
                                      "--parallel-max",
                                      std::to_string(kExports),
                                      "-w",
                                      "%{http_code}\n"};
    for (std::size_t i = 0; i < kExports; ++i)
      for (const auto& word :
           {std::string("-o"), std::string("/dev/null"),
            server.url("/api/v1/documents/inspection-package?format=zip&facility=" + server.facility)})
        words.push_back(word);
    // Whoever is told to come again comes again.
    while (!ends) {
      const auto answers = os::run_process(words, {.limit = std::chrono::seconds(60)});
      std::istringstream codes(answers ? answers->out : "");
      for (std::string code; codes >> code;) made += code == "200" ? 1 : 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  });
  const auto beside = watch(server);
  ends = true;
  exports.join();
  for (auto& sender : senders) sender.join();
  line(fmt::format("intake of {:.0f} lines/s, lost beside 200 exports ({} made)", alone.events_per_second,
                   made.load()),
       100 * (1 - beside.events_per_second / alone.events_per_second), "%", 10, "alone", 100);
  line("/healthz beside them, 19 of 20", beside.health_ms, "ms", 10 + 2 * alone.health_ms, "alone",
       alone.health_ms);
}

}  // namespace mamori::bench
